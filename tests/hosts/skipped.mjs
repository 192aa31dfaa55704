/** Thrown where a host is not there; the message says why. */
export class Skipped extends Error {}
