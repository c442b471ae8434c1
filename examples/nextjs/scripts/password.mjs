/** `echo -n PASSWORD | node scripts/password.mjs` prints the password as the users file has it. */

import { text } from 'node:stream/consumers';

import { hashed } from '../server/passwords.mjs';

console.log(await hashed(await text(process.stdin)));
