'use client';

import { Loaded } from '@/components/loaded';

import { useSystem } from '../queries';
import { Maintenance } from './maintenance';
import { Split } from './split';
import { Switches } from './switches';
import { Verification } from './verification';

/** How often the system is looked at: others change it too. */
const LOOK_MS = 5_000;

export function System() {
  const query = useSystem(LOOK_MS);
  return (
    <Loaded query={query}>
      {(system) => (
        <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-2">
          <div className="grid grid-cols-1 gap-4">
            <Switches system={system} />
            <Split system={system} />
          </div>
          <div className="grid grid-cols-1 gap-4">
            <Maintenance system={system} />
            <Verification />
          </div>
        </div>
      )}
    </Loaded>
  );
}
