// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of variables in the file.
/** The faults of YAML syntax that people make, in plain words. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['TAB_AS_INDENT', 'is indented with a tab; use spaces'],
  ['BAD_INDENT', 'the indentation does not fit the lines above; or a bracket or quote above is still open'],
  ['MISSING_CHAR', 'a colon, comma, quote or bracket is missing here'],
  ['BLOCK_AS_IMPLICIT_KEY', 'a second ":" on this line; put the value in quotes, or on lines of its own'],
  ['BLOCK_IN_FLOW', 'inside { } or [ ] nothing can be indented; write it with commas'],
  [
    'MULTILINE_IMPLICIT_KEY',
    'the name of a field must be on one line and end in ":"; put a value that goes on in quotes',
  ],
  ['KEY_OVER_1024_CHARS', 'the name of a field is longer than 1024 characters'],
  ['UNEXPECTED_TOKEN', 'is not expected here; put text with special characters in quotes'],
  ['BAD_ALIAS', 'the alias names no anchor above it; put a value that begins with "*" in quotes'],
  ['BAD_SCALAR_START', 'a value cannot begin with this character; put it in quotes'],
  ['BAD_DQ_ESCAPE', 'an unknown escape inside double quotes; use single quotes, or double the backslash'],
  ['MULTIPLE_DOCS', 'the file holds more than one document; remove the line "---"'],
  ['MULTIPLE_ANCHORS', 'has more than one anchor'],
  ['MULTIPLE_TAGS', 'has more than one tag'],
  ['TAG_RESOLVE_FAILED', 'has a YAML tag; remove what begins with "!"'],
  ['RESOURCE_EXHAUSTION', 'is nested too deeply'],
]);

/** `line`: the text of the line with the fault. */
export function yamlAdvice(code: string, message: string, line: string): string {
  if (code === 'UNEXPECTED_TOKEN' && hasVariableInFlow(line))
    return 'inside { } and [ ] a variable stands in quotes: "${NAME}"';
  return ADVICE.get(code) ?? `is not valid YAML: ${message}`;
}

/** Without a pattern: a line may be as long as the file. */
function hasVariableInFlow(line: string): boolean {
  const flow = line.search(/[{[]/);
  return flow !== -1 && line.includes('${', flow + 1);
}
