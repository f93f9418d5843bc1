import { memo, useEffect, useId, useState, type ReactNode } from 'react';
import type { ModelInfo } from '../engine/engine';
import { isDefault, kDefaults, kNumberSettings, type NumberSetting, type Settings } from '../chat/settings';
import { text } from '../text';
import { useBorrowedFocus, useGrowingField, useStore } from './hooks';
import { IconButton } from './icons';

interface PanelProps {
  settings: Settings;
  models: readonly ModelInfo[];
  address: string;
  onClose: () => void;
}

export const SettingsPanel = memo(function SettingsPanel({ settings, models, address, onClose }: PanelProps) {
  const store = useStore();
  const plain = kNumberSettings.filter((s) => !s.advanced);
  const advanced = kNumberSettings.filter((s) => s.advanced);
  const advancedChanged = advanced.some((s) => !isDefault(settings, s.key));
  const place = useBorrowedFocus<HTMLElement>(true);
  return (
    <aside className="panel" aria-label={text.settings} ref={place} tabIndex={-1}>
      <div className="panel-head">
        <h2>{text.settings}</h2>
        <button type="button" className="button button-quiet" onClick={() => store.resetSettings()}>{text.resetAll}</button>
        <IconButton icon="cross" label={text.close} onClick={onClose} />
      </div>
      <ModelSetting settings={settings} models={models} />
      {plain.map((spec) => <NumberField key={spec.key} spec={spec} value={settings[spec.key]} />)}
      <SystemField value={settings.system} />
      <details className="advanced" open={advancedChanged || undefined}>
        <summary>{text.advanced}</summary>
        {advanced.map((spec) => <NumberField key={spec.key} spec={spec} value={settings[spec.key]} />)}
      </details>
      <div className="setting">
        <div className="setting-head"><span className="setting-name">{text.server}</span>
          <button type="button" className="button button-quiet" onClick={() => { store.connection.ask(); onClose(); }}>{text.changeServer}</button></div>
        <p className="setting-says">{address || text.ownServer}</p>
      </div>
    </aside>
  );
});

function ModelSetting({ settings, models }: { settings: Settings; models: readonly ModelInfo[] }) {
  const store = useStore();
  const model = store.model();
  const id = useId();
  const facts = model && [model.sizeBytes && text.bytes(model.sizeBytes), model.nParams && text.parameters(model.nParams),
    model.contextLength && text.context(model.contextLength)].filter(Boolean).join(' · ');
  return (
    <div className="setting">
      <div className="setting-head"><label className="setting-name" htmlFor={id}>{text.model}</label></div>
      <select id={id} value={model?.id ?? ''} disabled={models.length < 2} onChange={(event) => store.change('model', event.target.value)}>
        {models.length === 0 && <option value="">{settings.model || text.noModel}</option>}
        {models.map((m) => <option key={m.id} value={m.id}>{m.id}</option>)}
      </select>
      <p className="setting-says">{model?.description ?? text.modelSays}{facts ? ` ${facts}.` : ''}</p>
    </div>
  );
}

// One setting: its name, a mark and a reset where it differs from the default, and the sentence about it.
function Setting(props: { id: string; label: string; says: string; changed: boolean; fallback: string; onReset: () => void; children: ReactNode }) {
  const { id, label, says, changed, fallback, onReset, children } = props;
  return (
    <div className={changed ? 'setting setting-changed' : 'setting'}>
      <div className="setting-head">
        <label className="setting-name" htmlFor={id}>{label}</label>
        {changed && <span className="setting-mark">{text.changed}</span>}
        {changed && <button type="button" className="button button-quiet" aria-label={`${text.reset}: ${label}`} onClick={onReset}>{text.reset}</button>}
        <span className="setting-default">{text.default(fallback)}</span>
      </div>
      {children}
      <p className="setting-says" id={`${id}says`}>{says}</p>
    </div>
  );
}

function NumberField({ spec, value }: { spec: NumberSetting; value: number | null }) {
  const store = useStore();
  const id = useId();
  const fallback = kDefaults[spec.key];
  const isEmpty = value === null || (spec.empty !== undefined && value === fallback);
  const shown = isEmpty ? '' : String(value);
  const [typed, setTyped] = useState(shown);
  useEffect(() => setTyped(shown), [shown]);

  const take = (raw: string): void => {
    setTyped(raw);
    const number = Number(raw);
    if (raw.trim() === '') store.change(spec.key, fallback as never);
    else if (number >= spec.min && number <= spec.max && (spec.step < 1 || Number.isInteger(number))) store.change(spec.key, number as never);
  };

  return (
    <Setting id={id} label={spec.label} says={spec.says} changed={value !== fallback}
      fallback={spec.empty === undefined ? String(fallback) : text.empty} onReset={() => store.change(spec.key, fallback as never)}>
      <div className="number">
        {spec.slider && (
          <input type="range" min={spec.min} max={spec.max} step={spec.step} value={value ?? spec.min} aria-label={spec.label}
            onChange={(event) => take(event.target.value)} />
        )}
        <input id={id} type="number" min={spec.min} max={spec.max} step={spec.step} value={typed} placeholder={spec.empty} inputMode="decimal"
          aria-describedby={`${id}says`} onChange={(event) => take(event.target.value)} onBlur={() => setTyped(shown)} />
      </div>
    </Setting>
  );
}

function SystemField({ value }: { value: string }) {
  const store = useStore();
  const id = useId();
  const field = useGrowingField(value);
  return (
    <Setting id={id} label={text.system} says={text.systemSays} changed={value !== kDefaults.system} fallback={text.empty}
      onReset={() => store.change('system', kDefaults.system)}>
      <textarea id={id} ref={field} rows={2} value={value} dir="auto" aria-describedby={`${id}says`} onChange={(event) => store.change('system', event.target.value)} />
    </Setting>
  );
}
