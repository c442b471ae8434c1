'use client';

import { Trash2Icon } from 'lucide-react';
import { useState } from 'react';

import { useWords } from '@/components/language';
import { Button } from '@/components/ui/button';
import { Dialog, DialogClose, DialogContent, DialogTrigger } from '@/components/ui/dialog';
import { ask } from '@/lib/api';

import { useChange } from '../queries';

/** Removes a key, after asking: it is for good. */
export function RemoveKey({ id, name }: { readonly id: string; readonly name: string }) {
  const words = useWords();
  const { removeLabel, removeTitle, removeHint, removeNow, removed } = words.admin.keys;
  const [isOpen, setIsOpen] = useState(false);
  const change = useChange(
    () => ask(`/api/admin/keys/${id}`, { method: 'DELETE' }),
    () => removed(name),
  );
  return (
    <Dialog open={isOpen} onOpenChange={setIsOpen}>
      <DialogTrigger asChild>
        <Button size="sm" variant="outline" aria-label={removeLabel(name)}>
          <Trash2Icon />
        </Button>
      </DialogTrigger>
      <DialogContent title={removeTitle} description={removeHint(name)} closeLabel={words.close}>
        <div className="flex flex-wrap justify-end gap-2">
          <DialogClose asChild>
            <Button variant="outline">{words.cancel}</Button>
          </DialogClose>
          <Button
            variant="destructive"
            disabled={change.isPending}
            onClick={() => change.mutate(undefined, { onSuccess: () => setIsOpen(false) })}
          >
            {removeNow}
          </Button>
        </div>
      </DialogContent>
    </Dialog>
  );
}
