import { useEffect, useId, useState, type ReactNode } from 'react';
import { kDefaults, kNumberSettings, type NumberSetting, type Settings } from '../chat/settings';
import type { Scope } from '../chat/store';
import { kLanguages, language, text, type Language } from '../text';
import { useBorrowedFocus, useChatState, useGrowingField, useStore } from './hooks';
import { IconButton } from './icons';
import { ModelsHere } from './ModelsHere';

// What a setting is, in the scope that the panel shows.
interface Shown {
  settings: Settings;              // in force
  fallback: Settings;              // what a reset gives
  changed: (key: keyof Settings) => boolean;
  scope: Scope;
}

export function SettingsPanel({ onClose, onLanguage }: { onClose: () => void; onLanguage: (language: Language) => void }) {
  const store = useStore();
  const state = useChatState();
  const [scope, setScope] = useState<Scope>(() => (Object.keys(store.ownSettings()).length > 0 ? 'chat' : 'all'));
  const place = useBorrowedFocus<HTMLElement>(true);
  const own = store.ownSettings();
  const { address } = store.connection.server;
  const shown: Shown = scope === 'chat'
    ? { settings: store.settings(), fallback: state.settings, changed: (key) => own[key] !== undefined, scope }
    : { settings: state.settings, fallback: kDefaults, changed: (key) => state.settings[key] !== kDefaults[key], scope };
  const number = (spec: NumberSetting): ReactNode => <NumberField key={`${scope}${spec.key}`} spec={spec} shown={shown} />;
  const advanced = kNumberSettings.filter((s) => s.advanced);
  return (
    <aside className="panel" aria-label={text.settings} ref={place} tabIndex={-1}>
      <div className="panel-head">
        <h2>{text.settings}</h2>
        <button type="button" className="button button-quiet" onClick={() => store.resetSettings(scope)}>{text.resetAll}</button>
        <IconButton icon="cross" label={text.close} onClick={onClose} />
      </div>
      <ScopeSwitch scope={scope} onScope={setScope} />
      <ModelSetting shown={shown} />
      <ModelsHere />
      {kNumberSettings.filter((s) => !s.advanced).map(number)}
      <SystemField key={scope} shown={shown} />
      <details className="advanced" open={advanced.some((s) => shown.changed(s.key)) || undefined}>
        <summary>{text.advanced}</summary>
        {advanced.map(number)}
        <ProbabilitiesSetting shown={shown} />
      </details>
      <LanguageSetting onLanguage={onLanguage} />
      <div className="setting">
        <div className="setting-head"><span className="setting-name">{text.server}</span>
          <button type="button" className="button button-quiet" onClick={() => { store.connection.ask(); onClose(); }}>{text.changeServer}</button></div>
        <p className="setting-says">{address || text.ownServer}</p>
      </div>
    </aside>
  );
}

function ScopeSwitch({ scope, onScope }: { scope: Scope; onScope: (scope: Scope) => void }) {
  const name = useId();
  return (
    <fieldset className="scope">
      <legend className="unseen">{text.scope.label}</legend>
      {(['all', 'chat'] as const).map((value) => (
        <label key={value}>
          <input type="radio" name={name} checked={scope === value} onChange={() => onScope(value)} />
          <span>{text.scope[value]}</span>
        </label>
      ))}
    </fieldset>
  );
}

function ModelSetting({ shown }: { shown: Shown }) {
  const store = useStore();
  const { models } = useChatState();
  const model = models.find((m) => m.id === shown.settings.model) ?? models[0];
  const id = useId();
  const facts = model && [model.sizeBytes && text.bytes(model.sizeBytes), model.nParams && text.parameters(model.nParams),
    model.contextLength && text.context(model.contextLength)].filter(Boolean).join(' · ');
  return (
    <>
      <div className="setting">
        <div className="setting-head"><label className="setting-name" htmlFor={id}>{text.model}</label></div>
        <select id={id} value={model?.id ?? ''} disabled={models.length < 2} onChange={(event) => store.change('model', event.target.value, shown.scope)}>
          {models.length === 0 && <option value="">{shown.settings.model || text.noModel}</option>}
          {models.map((m) => <option key={m.id} value={m.id}>{m.id}</option>)}
        </select>
        <p className="setting-says"><bdi>{model?.description ?? text.modelSays}</bdi>{facts ? ` ${facts}.` : ''}</p>
      </div>
      {models.length > 1 && (
        <Setting shown={shown} name="compare" id={`${id}two`} label={text.compare} says={text.compareSays} fallback={text.compareNone}>
          <select id={`${id}two`} value={shown.settings.compare} onChange={(event) => store.change('compare', event.target.value, shown.scope)}>
            <option value="">{text.compareNone}</option>
            {models.filter((m) => m.id !== model?.id).map((m) => <option key={m.id} value={m.id}>{m.id}</option>)}
          </select>
        </Setting>
      )}
    </>
  );
}

function ProbabilitiesSetting({ shown }: { shown: Shown }) {
  const store = useStore();
  const id = useId();
  return (
    <div className="setting setting-switch">
      <label className="setting-name" htmlFor={id}>
        <input id={id} type="checkbox" checked={shown.settings.logprobs} aria-describedby={`${id}says`} onChange={(event) => store.change('logprobs', event.target.checked, shown.scope)} />
        {text.logprobs}
      </label>
      <p className="setting-says" id={`${id}says`}>{text.logprobsSays}</p>
    </div>
  );
}

function LanguageSetting({ onLanguage }: { onLanguage: (language: Language) => void }) {
  const id = useId();
  return (
    <div className="setting">
      <div className="setting-head"><label className="setting-name" htmlFor={id}>{text.language}</label></div>
      <select id={id} value={language} onChange={(event) => onLanguage(event.target.value as Language)}>
        {kLanguages.map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
      </select>
    </div>
  );
}

// One setting: its name, a mark and a reset where it differs from the default, and the sentence about it.
function Setting(props: { shown: Shown; name: keyof Settings; id: string; label: string; says: string; fallback: string; children: ReactNode }) {
  const store = useStore();
  const { shown, name, id, label, says, fallback, children } = props;
  const changed = shown.changed(name);
  return (
    <div className={changed ? 'setting setting-changed' : 'setting'}>
      <div className="setting-head">
        <label className="setting-name" htmlFor={id}>{label}</label>
        {changed && <span className="setting-mark"><span className="unseen">{text.changed}</span></span>}
        {changed && <button type="button" className="button button-quiet" aria-label={`${text.reset}: ${label}`} onClick={() => store.reset(name, shown.scope)}>{text.reset}</button>}
        <span className="setting-default">{text.default(fallback)}</span>
      </div>
      {children}
      <p className="setting-says" id={`${id}says`}>{says}</p>
    </div>
  );
}

function NumberField({ spec, shown }: { spec: NumberSetting; shown: Shown }) {
  const store = useStore();
  const id = useId();
  const { label, says, empty } = text.numbers[spec.key];
  const value = shown.settings[spec.key];
  const words = (n: number | null): string => (n === null || (empty !== '' && n === kDefaults[spec.key]) ? '' : String(n));
  const inField = words(value);
  const [typed, setTyped] = useState(inField);
  useEffect(() => setTyped(inField), [inField]);

  const take = (raw: string): void => {
    setTyped(raw);
    const number = Number(raw);
    if (raw.trim() === '') store.change(spec.key, kDefaults[spec.key] as never, shown.scope);
    else if (number >= spec.min && number <= spec.max && (spec.step < 1 || Number.isInteger(number))) store.change(spec.key, number as never, shown.scope);
  };

  return (
    <Setting shown={shown} name={spec.key} id={id} label={label} says={says} fallback={words(shown.fallback[spec.key]) || text.empty}>
      <div className="number">
        {spec.slider && (
          <input type="range" min={spec.min} max={spec.max} step={spec.step} value={value ?? spec.min} aria-label={label}
            onChange={(event) => take(event.target.value)} />
        )}
        <input id={id} type="number" min={spec.min} max={spec.max} step={spec.step} value={typed} placeholder={empty} inputMode="decimal"
          aria-describedby={`${id}says`} onChange={(event) => take(event.target.value)} onBlur={() => setTyped(inField)} />
      </div>
    </Setting>
  );
}

function SystemField({ shown }: { shown: Shown }) {
  const store = useStore();
  const id = useId();
  const value = shown.settings.system;
  const field = useGrowingField(value);
  return (
    <Setting shown={shown} name="system" id={id} label={text.system} says={text.systemSays} fallback={shown.fallback.system.slice(0, 24) || text.empty}>
      <textarea id={id} ref={field} rows={2} value={value} dir="auto" aria-describedby={`${id}says`} onChange={(event) => store.change('system', event.target.value, shown.scope)} />
    </Setting>
  );
}
