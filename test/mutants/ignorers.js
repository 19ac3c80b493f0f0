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

/** `list[i] ?? ''` inside `for (let i = …)`: the compiler wants the fallback, and no list needs it. */
const fallbacksInLoops = {
  shouldIgnore(path) {
    const fallback = path.parent;
    if (!path.isStringLiteral({ value: '' }) || fallback.type !== 'LogicalExpression') return undefined;
    const { left, operator } = fallback;
    if (operator !== '??' || left.type !== 'MemberExpression' || !left.computed) return undefined;
    // Its condition has been taken for mutants by now: what it counts with is left.
    const counted = path.findParent((parent) => parent.isForStatement())?.node.init?.declarations?.[0].id;
    return counted?.type === 'Identifier' && counted.name === left.property.name
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

export const strykerPlugins = [
  { kind: 'Ignore', name: 'unreachable', value: unreachableCases },
  { kind: 'Ignore', name: 'fallback', value: fallbacksInLoops },
  { kind: 'Ignore', name: 'split', value: fallbacksOfSplit },
];
