import fc from 'fast-check'

// The same samples on every run, so that a change fails for what it changed. GRADC_SEED=n draws others: do so now and then.
fc.configureGlobal({ seed: Number(process.env.GRADC_SEED ?? 20261121) })
