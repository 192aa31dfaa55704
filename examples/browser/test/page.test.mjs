// The built page in headless Chromium, under the policy that server.mjs sends. Screenshots go to test/screenshots.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { policy, serve } from '../server.mjs'

const built = fileURLToPath(new URL('../dist', import.meta.url))
const screenshots = fileURLToPath(new URL('screenshots', import.meta.url))
mkdirSync(screenshots, { recursive: true })

/** Strokes as points from 0 to 1. */
const SEVEN = [
  [
    [0.3, 0.22],
    [0.7, 0.22],
    [0.52, 0.5],
    [0.42, 0.8],
  ],
]
const ONE = [
  [
    [0.52, 0.15],
    [0.49, 0.85],
  ],
]
const ZERO = [Array.from({ length: 25 }, (_, i) => [0.5 + 0.2 * Math.sin(i / 4), 0.5 - 0.32 * Math.cos(i / 4)])]

let browser
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
})
after(() => browser?.close())

/** Runs `visit` with a fresh page of a server; fails on errors and, unless they are expected, on breaches of the policy. */
async function withPage({ wasm = true, query = '', scheme = 'light', breaches = false }, visit) {
  const { url, stop } = await serve(built, { wasm })
  const context = await browser.newContext({ viewport: { width: 1120, height: 1000 }, colorScheme: scheme })
  const problems = []
  try {
    const page = await context.newPage()
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' && !(breaches && message.text().includes('Content Security Policy')))
        problems.push(message.text())
    })
    const response = await page.goto(url + query)
    assert.equal(response.headers()['content-security-policy'], policy({ wasm }))
    await ready(page)
    await visit(page)
    assert.deepEqual(problems, [])
  } finally {
    await context.close()
    await stop()
  }
}

async function ready(page) {
  const html = await page.waitForSelector('html[data-ready], html[data-failed]')
  assert.equal(await html.getAttribute('data-failed'), null)
}
const digit = (page) => page.locator('#digit').textContent()

/** Draws with the mouse, every point moved by (dx, dy). */
async function draw(page, strokes, dx = 0, dy = 0) {
  const clear = page.getByRole('button', { name: 'Clear' })
  if (await clear.isEnabled()) await clear.click()
  const { x, y, width, height } = await page.locator('#pad').boundingBox()
  const at = ([u, v]) => [x + width * (u + dx), y + height * (v + dy)]
  for (const stroke of strokes) {
    await page.mouse.move(...at(stroke[0]))
    await page.mouse.down()
    for (const point of stroke.slice(1)) await page.mouse.move(...at(point), { steps: 4 })
    await page.mouse.up()
  }
  await page.locator('#digit', { hasText: /\d/ }).waitFor()
  await page.locator('#status', { hasText: /^It reads/ }).waitFor()
}

async function teach(page, label) {
  const before = Number(await page.locator('#corrections').textContent())
  await page
    .locator('#answers')
    .getByRole('button', { name: new RegExp(`^${label},`) })
    .click()
  await page.waitForSelector(`html[data-learnt="${before + 1}"]`)
}

test('reads what is drawn, learns from corrections, and remembers them', async () => {
  await withPage({}, async (page) => {
    assert.equal(await page.locator('html').getAttribute('data-ready'), 'wasm')
    for (const [strokes, read] of [
      [SEVEN, '7'],
      [ONE, '1'],
      [ZERO, '0'],
    ]) {
      await draw(page, strokes)
      assert.equal(await digit(page), read)
    }
    // Somebody insists that this is how threes look.
    const others = parseFloat(await page.locator('#others').textContent())
    for (const [dx, dy] of [
      [0, 0],
      [0.05, 0.02],
      [-0.04, 0.05],
    ]) {
      await draw(page, SEVEN, dx, dy)
      await teach(page, 3)
      assert.equal(await digit(page), '3')
    }
    assert.equal(await page.locator('#corrections').textContent(), '3')
    assert.equal(await page.locator('#learnt').textContent(), '3 of 3')
    const steps = Number(await page.locator('#steps').textContent())
    assert.ok(steps >= 24, `${steps} steps`)
    assert.match(await page.locator('#chart').getAttribute('aria-label'), new RegExp(`${steps} steps, 3 corrections`))
    // It has not forgotten the rest, since kept digits were mixed in. A tenth of the others are sevens, which it may lose.
    const after = parseFloat(await page.locator('#others').textContent())
    assert.ok(after >= others - 12, `it read ${others} % of the others, and reads ${after} % now`)
    await page.screenshot({ path: `${screenshots}/light.png`, fullPage: true })

    await page.reload()
    await ready(page)
    assert.equal(await page.locator('#status').textContent(), 'Welcome back: it remembers your 3 corrections.')
    assert.equal(Number(await page.locator('#steps').textContent()), steps)
    assert.equal(parseFloat(await page.locator('#others').textContent()), after)
    await draw(page, SEVEN)
    assert.equal(await digit(page), '3')

    await page.getByRole('button', { name: 'Forget all I taught' }).click()
    await page.getByRole('button', { name: 'Keep them' }).click()
    assert.equal(await page.locator('#corrections').textContent(), '3')
    await page.getByRole('button', { name: 'Forget all I taught' }).click()
    await page.getByRole('button', { name: 'Forget', exact: true }).click()
    await page.locator('#corrections', { hasText: /^0$/ }).waitFor()
    await page.locator('#digit', { hasText: '7' }).waitFor()
    await page.reload()
    await ready(page)
    await draw(page, SEVEN)
    assert.equal(await digit(page), '7')
  })
})

test('learns in JavaScript where the policy forbids WebAssembly', async () => {
  await withPage({ wasm: false, breaches: true }, async (page) => {
    assert.equal(await page.locator('html').getAttribute('data-ready'), 'js')
    await draw(page, SEVEN)
    assert.equal(await digit(page), '7')
    await teach(page, 3)
    assert.equal(await digit(page), '3')
  })
  await withPage({ wasm: false, query: '?target=js' }, async (page) =>
    assert.equal(await page.locator('html').getAttribute('data-ready'), 'js'),
  )
})

test('works by keyboard alone, and says what happens', async () => {
  await withPage({ scheme: 'dark' }, async (page) => {
    const press = async (key, times = 1) => {
      for (let i = 0; i < times; i++) await page.keyboard.press(key)
    }
    await press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pad')
    // A one: down from the top.
    await press('Space')
    assert.match(await page.locator('#status').textContent(), /^Pen down/)
    await press('ArrowDown', 15)
    await press('Space')
    await page.locator('#status', { hasText: /^It reads 1,/ }).waitFor()
    await press('4')
    await page.waitForSelector('html[data-learnt="1"]')
    assert.match(await page.locator('#status').textContent(), /^Learnt in \d+ steps: it reads 4 now/)
    await page.screenshot({ path: `${screenshots}/dark.png`, fullPage: true })
    await press('Delete')
    assert.equal(await digit(page), '–')
    // From the pad on, the next stop is the first button that does something.
    await press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'example')
    await press('Enter')
    await page.locator('#status', { hasText: /^It reads \d/ }).waitFor()
    const told = await page.locator('main').ariaSnapshot()
    for (const part of [
      'heading "Draw"',
      'application "Drawing pad"',
      'group "What is it really?"',
      'status',
      'img "Loss of each step',
    ]) {
      assert.ok(told.includes(part), `a screen reader finds no ${part} in:\n${told}`)
    }
    assert.match(told, /button "4, \d+(\.\d)? %"/)
  })
})

test('nothing moves while it loads and learns, and it fits a telephone', async () => {
  await withPage({}, async (page) => {
    await draw(page, SEVEN)
    await teach(page, 3)
    const shifts = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const told = ({ value, sources }) =>
            `${value}: ${sources.map(({ node }) => node?.id || node?.className || node?.nodeName).join(', ')}`
          new PerformanceObserver((list) => resolve(list.getEntries().map(told))).observe({
            type: 'layout-shift',
            buffered: true,
          })
          setTimeout(() => resolve([]), 500)
        }),
    )
    assert.deepEqual(shifts, [])
    await page.setViewportSize({ width: 360, height: 740 })
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), 'it is wider than a telephone')
    await page.screenshot({ path: `${screenshots}/small.png`, fullPage: true })
  })
})
