/** Text for a comment: on one line, and no name can end the comment, the script element or the program around it. */
export const commentText = (text: string): string =>
  [...text].map((c) => (isPlain(c) ? c : escape(c))).join('').replaceAll('*/', '*\\/')

/** Neither a control character, a line separator, half a surrogate pair nor the start of a tag. */
function isPlain(c: string): boolean {
  const code = c.codePointAt(0)!
  const control = code < 0x20 || (code >= 0x7f && code < 0xa0)
  return !control && code !== 0x2028 && code !== 0x2029 && (code < 0xd800 || code > 0xdfff) && c !== '<'
}

const escape = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
