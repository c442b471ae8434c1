import { redirect } from 'next/navigation';

export default function Tools() {
  redirect('/tools/credits');
}
