/** `default: return unreachable(x)`: the types say that no value comes here, so no test can tell a mutant of it. */
const unreachableCases = {
  shouldIgnore(path) {
    if (!path.isSwitchCase() || path.node.test !== null) return undefined;
    const [only] = path.node.consequent;
    return path.node.consequent.length === 1 &&
      only.type === 'ReturnStatement' &&
      only.argument?.type === 'CallExpression' &&
      only.argument.callee.name === 'unreachable'
      ? 'no value of the type reaches this case'
      : undefined;
  },
};

/** `list[i] ?? ''` inside `for (…; i < list.length; …)`: the compiler wants the fallback, and no list needs it. */
const fallbacksInLoops = {
  shouldIgnore(path) {
    const fallback = path.parent;
    if (!path.isStringLiteral({ value: '' }) || fallback.type !== 'LogicalExpression') return undefined;
    const { left, operator } = fallback;
    if (operator !== '??' || left.type !== 'MemberExpression' || left.property.type !== 'Identifier')
      return undefined;
    const test = path.findParent((parent) => parent.isForStatement())?.node.test;
    return left.computed &&
      test?.type === 'BinaryExpression' &&
      test.operator === '<' &&
      test.left.name === left.property.name &&
      test.right.property?.name === 'length' &&
      sourceOf(test.right.object) === sourceOf(left.object)
      ? 'within the length of the list'
      : undefined;
  },
};

/** `const [first = ''] = text.split(…)`: there is always a first. */
const fallbacksOfSplit = {
  shouldIgnore(path) {
    const pattern = path.parentPath;
    const declared = pattern?.parentPath?.parent;
    return path.isStringLiteral({ value: '' }) &&
      pattern.isAssignmentPattern() &&
      pattern.key === 0 &&
      declared?.type === 'VariableDeclarator' &&
      declared.init?.callee?.property?.name === 'split'
      ? 'every text has a first part'
      : undefined;
  },
};

/** Of a name, or of members of a name. */
function sourceOf(node) {
  return node.type === 'MemberExpression' ? `${sourceOf(node.object)}.${node.property.name}` : node.name;
}

export const strykerPlugins = [
  { kind: 'Ignore', name: 'unreachable', value: unreachableCases },
  { kind: 'Ignore', name: 'fallback', value: fallbacksInLoops },
  { kind: 'Ignore', name: 'split', value: fallbacksOfSplit },
];
