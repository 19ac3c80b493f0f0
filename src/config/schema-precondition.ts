import { z } from 'zod';
import { compileResource } from '../core/resource.ts';
import { PRECONDITION_DEFAULTS as D } from './defaults.ts';
import { choice, duration, list, parsedText, section } from './field.ts';
import { method } from './field-http.ts';

/** Optimistic locks: writes that name the version they are meant for. */

function resourceTemplate() {
  return parsedText('path', 'must be a path, such as /documents/{id}', (text) => {
    const compiled = compileResource(text);
    return compiled.kind === 'ok' ? { kind: 'ok', value: compiled.template } : compiled;
  });
}

export const precondition = z
  .union(
    [
      choice(['off']),
      section({
        methods: list(method(), 32, 'methods')
          .prefault([...D.methods])
          .describe(
            'The methods that write the resource. Add POST only where it changes the resource that its own path names. With `versions: store` no other method may change it.',
          ),
        require: choice(['if-match', 'none'])
          .prefault(D.require)
          .describe(
            '`if-match`: a write without `If-Match` gets 428 and is not forwarded. `If-None-Match: *`, the condition of a write that creates, is as good. Do not demand it of clients that have no way to learn the ETag. `none`: a write may overwrite whatever is there.',
          ),
        versions: choice(['backend', 'store'])
          .prefault(D.versions)
          .describe(
            '`backend`: it gives out ETags and judges conditions itself; both pass through untouched. `store`: for a backend without ETags; Onceward keeps a version of each resource, sends it as ETag, answers 412 to a stale one, and lets one write to a resource out at a time. Its writes are read whole, up to `limits.request`, with a key or without; with `mode: observe` there are no versions. Use `store` only where every writer goes through Onceward and a read of the backend shows every write that was answered.',
          ),
        resource: resourceTemplate()
          .optional()
          .describe(
            'With `versions: store`: which resource a path names, by its first segments. With `/documents/{id}` a write to `/documents/7/title` changes the version of `/documents/7`. Left out: the whole path. The query never counts. Where a backend takes two paths for one, such as with a slash at the end, one of them must not be routed here.',
          ),
        wait: duration('0s')
          .prefault(D.wait)
          .describe(
            'With `versions: store`: how long a write waits for another one to the same resource before it gets 409; never longer than a third of `lease`.',
          ),
        retain: duration('1h', 'retention')
          .prefault(D.retain)
          .describe(
            'With `versions: store`: how long a version is remembered after the last write. An ETag that is older gets 412, never a write. Keep it above the time for which clients hold on to an ETag.',
          ),
        issue: choice(['reads-and-writes', 'reads'])
          .prefault(D.issue)
          .describe(
            'With `versions: store`: whether the success of a PUT or PATCH carries the new ETag too. `reads`: only GET and HEAD do; use it where the backend changes what it is sent before it stores it, since an ETag would tell the client that it has what is stored (RFC 9110 section 9.3.4).',
          ),
      }),
    ],
    { error: 'must be off or { require: if-match }' },
  )
  .meta({ 'x-type': '`off` or a section' })
  .describe(
    'Optimistic locking: a write names the version of the resource it is meant for, so that nobody overwrites what he has not seen. `off`: what a backend does with conditions is its own affair.',
  );

export type Precondition = z.output<typeof precondition>;
