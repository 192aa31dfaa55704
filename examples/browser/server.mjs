// npm start: serves the built page under a strict Content-Security-Policy.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.bin': 'application/octet-stream',
  '.safetensors': 'application/octet-stream',
  '.svg': 'image/svg+xml',
}

/** Only files of this origin, no code from strings, no scripts or styles in the page; WebAssembly only if it is allowed. */
export const policy = ({ wasm }) =>
  [
    "default-src 'none'",
    `script-src 'self'${wasm ? " 'wasm-unsafe-eval'" : ''}`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

/** Serves a folder on this machine. `port` 0: any free one. Gives the address and a function that stops it. */
export async function serve(folder, { wasm = true, port = 0 } = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const path = normalize(decodeURIComponent(pathname))
    const body = path.includes('..')
      ? null
      : await readFile(join(folder, path.endsWith('/') ? `${path}index.html` : path)).catch(() => null)
    const headers = {
      'content-security-policy': policy({ wasm }),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    }
    if (body === null) return response.writeHead(404, headers).end('not found')
    response
      .writeHead(200, { ...headers, 'content-type': TYPES[extname(path) || '.html'] ?? 'application/octet-stream' })
      .end(body)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const stop = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${server.address().port}/`, stop }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await serve(fileURLToPath(new URL('dist', import.meta.url)), {
    port: 4173,
    wasm: !process.argv.includes('--no-wasm'),
  })
  console.log(`${url} (with --no-wasm: WebAssembly is forbidden, and the page learns in JavaScript)`)
}
