'use client';

import { Fragment, useState } from 'react';

import { useWords } from '@/components/language';
import { Button } from '@/components/ui/button';
import { Card, CardDescription, CardTitle } from '@/components/ui/card';
import { ask } from '@/lib/api';
import type { NewMaintenance } from '@/lib/requests-admin';
import type { SystemView } from '@/server/system';

import { useChange } from '../queries';

const MODES = ['none', 'services', 'full'] as const;

interface Draft {
  readonly mode: (typeof MODES)[number];
  readonly services: readonly string[];
}

function savedOf({ isFull, services }: SystemView['maintenance']): Draft {
  return { mode: isFull ? 'full' : services.length > 0 ? 'services' : 'none', services };
}

/** What users cannot use for now: nothing, some services, or everything. */
export function Maintenance({ system }: { readonly system: SystemView }) {
  const words = useWords().admin;
  const { maintenance, maintenanceHint, modes, services: legend, noService, saveMaintenance } = words.system;
  const [draft, setDraft] = useState<Draft | null>(null);
  const { mode, services } = draft ?? savedOf(system.maintenance);
  const save = useChange(
    (body: NewMaintenance) => ask('/api/admin/maintenance', { method: 'PUT', body }),
    () => words.saved,
  );
  const isIncomplete = mode === 'services' && services.length === 0;
  const send = () => {
    const body = { isFull: mode === 'full', services: mode === 'services' ? [...services] : [] };
    save.mutate(body, { onSuccess: () => setDraft(null) });
  };
  return (
    <Card aria-label={maintenance}>
      <CardTitle>{maintenance}</CardTitle>
      <fieldset disabled={save.isPending} className="flex flex-col">
        <legend className="sr-only">{maintenance}</legend>
        {MODES.map((name) => (
          <Fragment key={name}>
            <label className="flex min-h-11 items-center gap-3 text-sm">
              <input
                type="radio"
                name="maintenance"
                className="accent-primary size-4"
                checked={mode === name}
                onChange={() => setDraft({ mode: name, services })}
              />
              {modes[name]}
            </label>
            {name === 'services' && mode === name && (
              <fieldset className="ml-7 flex flex-wrap gap-x-6">
                <legend className="sr-only">{legend}</legend>
                {system.services.map(({ id, name }) => (
                  <label key={id} className="flex min-h-11 items-center gap-3 text-sm">
                    <input
                      type="checkbox"
                      className="accent-primary size-4"
                      checked={services.includes(id)}
                      onChange={({ target }) => {
                        const others = services.filter((service) => service !== id);
                        setDraft({ mode, services: target.checked ? [...others, id] : others });
                      }}
                    />
                    {name}
                  </label>
                ))}
              </fieldset>
            )}
          </Fragment>
        ))}
      </fieldset>
      <CardDescription aria-live="polite">{isIncomplete ? noService : maintenanceHint}</CardDescription>
      <Button className="self-start" disabled={draft === null || isIncomplete || save.isPending} onClick={send}>
        {saveMaintenance}
      </Button>
    </Card>
  );
}
