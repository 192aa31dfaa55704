// All initialisers; each family stands in a file of its own.
export { constant, dirac, eye, ones, zeros, type DiracOptions } from './init/constants.ts'
export { normal, truncatedNormal, uniform } from './init/distributions.ts'
export { calculateGain, type Nonlinearity } from './init/gain.ts'
export { orthogonal, type OrthogonalOptions } from './init/orthogonal.ts'
export {
  glorotNormal, glorotUniform, heNormal, heUniform, kaimingNormal, kaimingUniform, lecunNormal, lecunUniform, xavierNormal,
  xavierUniform, type HeOptions, type XavierOptions,
} from './init/scaled.ts'
