import { describe, expect, it } from 'vitest';
import { scriptedServer } from './scripted-server.ts';

const URL_OF_IT = 'https://example.test/payments';
const HONOURS = { server: 'honours-key' } as const;

describe('the body', () => {
  it('is the same for each attempt, even if the caller changes what it gave', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const fields = new URLSearchParams({ a: '1' });
    const first = scriptedServer(['fail', { status: 201 }], HONOURS, () => bytes.fill(9));
    const second = scriptedServer(['fail', { status: 201 }], HONOURS, () => fields.set('a', '2'));

    await first.client.send(URL_OF_IT, { method: 'POST', body: bytes });
    await second.client.send(URL_OF_IT, { method: 'POST', body: fields });

    expect(first.sent.map(({ body }) => body)).toEqual([
      new Uint8Array([1, 2, 3]),
      new Uint8Array([1, 2, 3]),
    ]);
    expect(second.sent.map(({ body, contentType }) => [body, contentType])).toEqual([
      ['a=1', 'application/x-www-form-urlencoded;charset=UTF-8'],
      ['a=1', 'application/x-www-form-urlencoded;charset=UTF-8'],
    ]);
  });

  it('of a form has one boundary: another would be other content', async () => {
    const form = new FormData();
    form.set('file', new Blob(['data']), 'a.txt');
    const { client, sent } = scriptedServer(['fail', { status: 201 }], HONOURS);

    await client.send(URL_OF_IT, { method: 'POST', body: form });

    const [one, other] = sent;
    expect(one?.contentType).toMatch(/^multipart\/form-data; boundary=/);
    expect(other).toEqual(one);
  });

  it('is made anew by a function for each attempt, a stream as well', async () => {
    const made: string[] = [];
    const { client, sent } = scriptedServer(['fail', { status: 201 }], HONOURS);

    await client.send(URL_OF_IT, {
      method: 'POST',
      body: () => {
        made.push('once more');
        return new Blob(['x']).stream();
      },
    });

    expect(made).toHaveLength(2);
    expect(sent.every(({ body }) => body instanceof ReadableStream)).toBe(true);
  });

  it.each([
    ['a stream', new Blob(['x']).stream()],
    ['an iterator', (async function* () {})()],
    ['an object', { amount: 1 }],
  ])('that is %s is refused with what to do', async (_, body) => {
    const { client, sent } = scriptedServer([{ status: 201 }]);

    // As a caller without types would.
    const attempt = client.send(URL_OF_IT, { method: 'POST', body: body as unknown as string });

    await expect(attempt).rejects.toThrow(/can be sent only once .* give a string, bytes/);
    expect(sent).toEqual([]);
  });

  it('of a Request is refused, and so is a URL that is none', async () => {
    const { client, sent } = scriptedServer([{ status: 201 }]);

    // As a caller without types would.
    const request = new Request(URL_OF_IT, { method: 'POST', body: 'x' }) as unknown as string;

    await expect(client.send(request)).rejects.toThrow(TypeError);
    await expect(client.send('http://')).rejects.toThrow('no URL');
    await expect(client.send(URL_OF_IT, { body: 'x' })).rejects.toThrow('no body with GET');
    expect(sent).toEqual([]);
  });
});
