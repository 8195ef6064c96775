// SPDX-License-Identifier: Apache-2.0
// A form made of an algorithm's JSON Schema; the advanced part is folded.
import { Accordion, Badge, Checkbox, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { type Field, fields, type Params, type ParamsSchema } from './schema';

interface Props {
  schema: ParamsSchema;
  value: Params;
  /** An earlier run's values: fields that differ from them say so. */
  earlier?: Params;
  errors: Record<string, string>;
  onChange: (value: Params) => void;
}

export function SchemaForm({ schema, value, earlier, errors, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const all = fields(schema, i18n.language);
  const advanced = all.filter((field) => field.schema['x-advanced']);
  const row = (field: Field) => (
    <Input
      key={field.name}
      field={field}
      value={value[field.name]}
      was={
        earlier && JSON.stringify(earlier[field.name]) !== JSON.stringify(value[field.name])
          ? { value: earlier[field.name] }
          : undefined
      }
      error={errors[field.name]}
      onChange={(next) => onChange({ ...value, [field.name]: next })}
    />
  );

  return (
    <Stack gap="xs">
      {all.filter((field) => !field.schema['x-advanced']).map(row)}
      {advanced.length > 0 ? (
        <Accordion variant="separated" {...(advanced.some((field) => errors[field.name]) ? { value: 'advanced' } : {})}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('run.advanced')}</Accordion.Control>
            <Accordion.Panel>
              <Stack gap="xs">{advanced.map(row)}</Stack>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
      ) : null}
    </Stack>
  );
}

interface InputProps {
  field: Field;
  value: unknown;
  /** What it was in the earlier run, if it is not that any more. */
  was?: { value: unknown };
  error?: string;
  onChange: (value: unknown) => void;
}

/** "0 to 10 px; default 1.5.", "Default left.": what may be typed, and what is taken where nothing is. */
function useRange({ schema, unit }: Field): string {
  const { t, i18n } = useTranslation();
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const usual = schema.default === undefined ? '' : t('run.usual', { value: said(schema.default, i18n.language) });
  const bounds =
    low === undefined || high === undefined
      ? ''
      : t('run.range', { low: said(low, i18n.language), high: said(high, i18n.language) });
  const words = [[bounds, unit].filter(Boolean).join(' '), usual].filter(Boolean).join('; ');
  return words && `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

const said = (value: unknown, language: string): string =>
  typeof value === 'number'
    ? new Intl.NumberFormat(language, { maximumFractionDigits: 6 }).format(value)
    : String(value);

function Input({ field, value, was, error, onChange }: InputProps) {
  const { t, i18n } = useTranslation();
  const { schema } = field;
  const range = useRange(field);
  const label = was ? (
    <>
      {field.title}{' '}
      <Badge size="xs" variant="light" color="yellow" data-testid={`was-${field.name}`}>
        {was.value === undefined ? t('run.wasUnset') : t('run.was', { value: said(was.value, i18n.language) })}
      </Badge>
    </>
  ) : (
    field.title
  );
  const common = { size: 'xs' as const, label, error, 'data-testid': `param-${field.name}` };

  if (schema.enum) {
    return (
      <Select
        {...common}
        description={[field.description, range].filter(Boolean).join(' ')}
        data={schema.enum.map(String)}
        value={value === undefined ? null : String(value)}
        onChange={(next) => onChange(schema.enum?.find((choice) => String(choice) === next))}
        allowDeselect={schema.default === undefined}
      />
    );
  }
  if (schema.type === 'boolean') {
    return (
      <Checkbox
        {...common}
        description={field.description}
        checked={value === true}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    );
  }
  if (schema.type === 'number' || schema.type === 'integer') {
    return (
      <NumberInput
        {...common}
        description={[field.description, range].filter(Boolean).join(' ')}
        value={typeof value === 'number' ? value : ''}
        onChange={(next) => onChange(typeof next === 'number' ? next : undefined)}
        allowDecimal={schema.type === 'number'}
        decimalSeparator={i18n.language === 'it' ? ',' : '.'}
        allowedDecimalSeparators={[',', '.']}
        step={schema.multipleOf ?? (schema.type === 'integer' ? 1 : 0.1)}
        suffix={field.unit ? ` ${field.unit}` : undefined}
        min={schema.minimum}
        max={schema.maximum}
        clampBehavior="none"
      />
    );
  }
  return (
    <TextInput
      {...common}
      description={field.description}
      value={typeof value === 'string' ? value : ''}
      onChange={(event) => onChange(event.currentTarget.value || undefined)}
    />
  );
}
