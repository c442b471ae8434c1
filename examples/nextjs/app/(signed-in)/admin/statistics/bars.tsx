'use client';

import { Bar, BarChart, CartesianGrid, Legend, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';

const COLORS = ['var(--chart-1)', 'var(--chart-2)', 'var(--chart-3)', 'var(--chart-4)', 'var(--chart-5)'];
const COLUMNS_HEIGHT = 260;
const ROW_HEIGHT = 44;
const AXES_HEIGHT = 80;

export interface Row {
  readonly name: string;
  /** One for each series. */
  readonly values: readonly number[];
}

export interface Props {
  readonly rows: readonly Row[];
  readonly series: readonly string[];
  readonly direction: 'columns' | 'rows';
  readonly format: (value: number) => string;
  readonly max?: number;
}

/** Stacked bars. They show what a table below them says, so screen readers need not hear of them. */
export default function Bars({ rows, series, direction, format, max }: Props) {
  const tick = { fill: 'var(--muted-foreground)', fontSize: 12 };
  const line = { stroke: 'var(--border)' };
  const values = {
    type: 'number',
    tick,
    tickLine: false,
    axisLine: line,
    tickFormatter: format,
    ...(max === undefined ? { allowDecimals: false } : { domain: [0, max] as [number, number] }),
  } as const;
  const names = { type: 'category', dataKey: 'name', tick, tickLine: false, axisLine: line } as const;
  const isColumns = direction === 'columns';
  return (
    <div aria-hidden>
      <ResponsiveContainer width="100%" height={isColumns ? COLUMNS_HEIGHT : rows.length * ROW_HEIGHT + AXES_HEIGHT}>
        <BarChart
          data={[...rows]}
          layout={isColumns ? 'horizontal' : 'vertical'}
          margin={{ top: 8, right: 16, bottom: 0, left: 0 }}
          accessibilityLayer={false}
        >
          <CartesianGrid stroke="var(--border)" vertical={!isColumns} horizontal={isColumns} />
          {isColumns ? <XAxis {...names} minTickGap={16} /> : <XAxis {...values} />}
          {isColumns ? <YAxis {...values} width="auto" /> : <YAxis {...names} width={120} />}
          <Tooltip
            cursor={{ fill: 'var(--accent)' }}
            contentStyle={{
              background: 'var(--card)',
              borderColor: 'var(--border)',
              borderRadius: 'var(--radius)',
            }}
            itemStyle={{ color: 'var(--foreground)' }}
            formatter={(value) => format(Number(value))}
          />
          {series.length > 1 && (
            <Legend itemSorter={null} formatter={(name) => <span className="text-foreground text-sm">{name}</span>} />
          )}
          {series.map((name, place) => (
            <Bar
              key={name}
              name={name}
              dataKey={({ values }: Row) => values[place] ?? 0}
              stackId="all"
              fill={COLORS[place % COLORS.length] ?? 'var(--chart-1)'}
              maxBarSize={40}
              isAnimationActive={false}
            />
          ))}
        </BarChart>
      </ResponsiveContainer>
    </div>
  );
}
