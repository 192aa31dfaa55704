/** What is written to: `process.stdout`, `process.stderr`, or a test. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** All that the command knows of the world around it; only `src/cli.ts` takes it from the process. */
export interface Surroundings {
  /** The words after the command's name. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** The folder that paths start from. */
  readonly cwd: string
  readonly stdout: Output
  readonly stderr: Output
}
