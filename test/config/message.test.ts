import { describe, expect, it } from 'vitest';
import { type Loaded, loadConfigText } from '../../src/config/load.ts';
import { messagePreset } from '../../src/config/message-presets.ts';
import { printConfig } from '../../src/config/print.ts';
import { DEFAULT_ORIGIN, nodeOf } from '../../src/config/tree.ts';
import { MESSAGE_PRESETS } from '../../src/core/message.ts';
import { selfSigned } from '../support/sns-message.ts';

const UPSTREAM = 'upstream: { url: http://127.0.0.1:3000 }';

function load(text: string): Loaded {
  return loadConfigText(`${UPSTREAM}\n${text}`, 'o.yaml', {});
}

function okOf(loaded: Loaded): Extract<Loaded, { kind: 'ok' }> {
  if (loaded.kind === 'ok') return loaded;
  throw new Error(loaded.faults.map(({ text }) => text).join('\n'));
}

describe('a preset for messages', () => {
  it.each(MESSAGE_PRESETS)('%s sets fields that a file may have, and says so when printed', (preset) => {
    const loaded = okOf(load(`routes: [{ name: a, message: ${preset} }]`));
    const again = okOf(loadConfigText(printConfig(loaded.effective), 'o.yaml', {}));

    expect(loaded.config.routes[0]).toMatchObject({
      message: { preset, signature: null },
      key: { sources: [{ kind: 'message', preset }] },
      scope: { headers: [], anonymous: 'allow' },
      retainMs: 7 * 86_400_000,
    });
    expect(printConfig(loaded.effective)).toContain(`- message: ${preset}  # message: ${preset}`);
    expect(again.config.routes).toEqual(loaded.config.routes);
  });

  it('leaves a message that was not taken to be delivered again, and holds what may have been', () => {
    const status =
      okOf(load('routes: [{ name: a, message: github }]')).config.routes[0]?.status.actions ?? [];

    expect([200, 204, 302, 400, 410, 500, 503].map((one) => status[one])).toEqual([
      ...['complete', 'complete', 'complete'],
      ...['release', 'release', 'release', 'release'],
    ]);
    expect([408, 502, 504].map((one) => status[one])).toEqual(['park', 'park', 'park']);
  });

  it('gives way to what the policy says itself, and not to what it inherits', () => {
    const { config } = okOf(
      load(
        'defaults: { retain: 1h, fingerprint: { body: bytes } }\nroutes: [{ name: a, message: slack, retain: 2h, status: { 500: complete } }]',
      ),
    );

    expect(config.routes[0]).toMatchObject({ retainMs: 7_200_000, fingerprint: { body: { kind: 'none' } } });
    expect(config.routes[0]?.status.actions[500]).toBe('complete');
  });

  it('in the defaults holds for every route that says nothing else', () => {
    const { config } = okOf(
      load('defaults: { message: stripe }\nroutes: [{ name: a }, { name: b, message: github }]'),
    );

    expect(config.routes.map(({ message }) => message?.preset)).toEqual(['stripe', 'github']);
    expect(config.routes.map(({ key }) => key.sources)).toEqual([
      [{ kind: 'message', preset: 'stripe' }],
      [{ kind: 'message', preset: 'github' }],
    ]);
  });

  it('does not lend its secrets to another preset', () => {
    const { config } = okOf(
      load(
        'defaults: { message: { preset: stripe, secrets: [whsec_12345] } }\nroutes: [{ name: a, message: { preset: github } }]',
      ),
    );

    expect(config.routes[0]?.message).toEqual({ preset: 'github', signature: null });
  });

  it('that nobody knows sets nothing', () => {
    expect(messagePreset(nodeOf('githb', DEFAULT_ORIGIN))).toBeNull();
    expect(messagePreset(null)).toBeNull();
  });
});

describe('the certificates of SNS', () => {
  const pem = JSON.stringify(selfSigned().certificate);

  it('are taken with the topics they count for, and refused without', () => {
    const topics = 'topics: ["arn:aws:sns:eu-central-1:1:t"]';
    const { config } = okOf(
      load(`routes: [{ name: a, message: { preset: sns, certificates: [${pem}], ${topics} } }]`),
    );
    const refused = load(`routes: [{ name: a, message: { preset: sns, certificates: [${pem}] } }]`);

    expect(config.routes[0]?.message?.signature).toMatchObject({ scheme: 'sns' });
    expect(refused.kind === 'faults' ? refused.faults.map(({ text }) => text) : []).toEqual([
      expect.stringContaining('say with topics which are taken'),
    ]);
  });
});
