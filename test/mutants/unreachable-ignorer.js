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

export const strykerPlugins = [{ kind: 'Ignore', name: 'unreachable', value: unreachableCases }];
