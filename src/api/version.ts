/** The version of gradc, as in package.json (a test holds them together). */
export const VERSION: string = '0.1.0'
