import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfigFile } from '../../src/config/load.ts';
import { selfSigned } from '../support/sns-message.ts';

const FOLDER = join(import.meta.dirname, '../../docs/recipes');
const recipes = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

const VARIABLES: Readonly<Record<string, string>> = {
  WEBHOOK_SECRET: 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX',
  GITHUB_SECRET: 'a secret of github',
  STRIPE_SECRET: 'whsec_0123456789',
  TWILIO_TOKEN: '0123456789abcdef0123456789abcdef',
  SLACK_SECRET: '0123456789abcdef',
  SNS_CERTIFICATE: selfSigned().certificate,
  ONCEWARD_SECRET: '0123456789abcdef0123456789abcdef',
  ONCEWARD_ADMIN_TOKEN: '0123456789abcdefghijklmnopqrstuv',
  PROBE_TOKEN: 'token',
  ONCEWARD_KEY_1: Buffer.from('a key of thirty-two random bytes').toString('base64'),
};

describe('the recipes', () => {
  it.each(recipes)('%s is a configuration without faults', async (name) => {
    const loaded = await loadConfigFile(join(FOLDER, name), VARIABLES);

    expect(loaded.kind === 'faults' ? loaded.faults.map((fault) => fault.text) : []).toEqual([]);
  });

  it('are all in their list, and the list names no other', () => {
    const listed = [...readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/\]\(([\w-]+\.yaml)\)/g)].map(
      (match) => match[1],
    );

    expect(listed.toSorted()).toEqual(recipes.toSorted());
  });
});
