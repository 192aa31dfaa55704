import { defineConfig } from 'vite'

export default defineConfig({
  // The built page works in any folder of any server.
  base: './',
  build: {
    target: 'es2022',
    // Under the policy of server.mjs nothing may come from data: addresses, and no script may stand in the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
})
