import { useEffect, useId, useRef, useState } from 'react';
import type { Run, RunName } from '../engine/runs';
import { text } from '../text';
import { useStore } from './hooks';
import { IconButton } from './icons';
import { LossChart, type Curve } from './LossChart';

const kLookMs = 2000;      // between two looks at a run
const kQuietSeconds = 60;  // without news, and much longer than a step takes: it has stopped

// Training runs of the server, followed while they go on.
export function Runs({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const { names, name, run, problem, choose } = useRuns();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="runs" aria-label={text.runs.title} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <div className="panel-head">
        <h2>{text.runs.title}</h2>
        {names.length > 1 && (
          <>
            <label className="unseen" htmlFor={id}>{text.runs.run}</label>
            <select id={id} value={name ?? ''} onChange={(event) => choose(event.target.value)}>
              {names.map((r) => <option key={r.name} value={r.name}>{r.name}</option>)}
            </select>
          </>
        )}
        <IconButton icon="cross" label={text.close} onClick={onClose} />
      </div>
      {problem && <p className="setting-says" role="alert">{problem}</p>}
      {run && <RunView run={run} named={names.length < 2} />}
    </dialog>
  );
}

// `named`: with its name, where no list of runs says it.
function RunView({ run, named }: { run: Run; named: boolean }) {
  const done = run.steps !== undefined && run.step >= run.steps;
  const quiet = !done && run.idleSeconds > Math.max(kQuietSeconds, 10 * run.stepSeconds);
  const held = run.validations.at(-1);
  const loss = run.loss.at(-1)?.[1];
  const left = done ? text.runs.done : quiet ? text.runs.quiet(run.idleSeconds) : run.secondsLeft === undefined ? null : text.runs.left(run.secondsLeft);
  const curves: Curve[] = [
    { name: text.runs.training, points: run.loss },
    { name: text.runs.heldOut, points: run.validations.map(({ step, loss: y }) => [step, y] as const), dotted: true },
  ];
  return (
    <>
      {named && <p className="run-name">{run.name}</p>}
      {run.steps !== undefined && <progress className="run-done" max={run.steps} value={run.step} aria-label={text.runs.step(run.step, run.steps)} />}
      <dl className="run-facts">
        <Fact name={text.runs.where} is={text.runs.step(run.step, run.steps)} says={left} />
        {loss !== undefined && <Fact name={text.runs.loss} is={text.runs.number(loss)} says={text.runs.nats} />}
        {held && <Fact name={text.runs.heldOut} is={text.runs.number(held.loss)} says={text.runs.bits(held.bitsPerByte)} />}
        {run.tokensPerSecond !== undefined && <Fact name={text.runs.rate} is={text.speed(run.tokensPerSecond)} says={text.tokens(run.tokens, true)} />}
        {run.choices.map(({ name, accuracy }) => <Fact key={name} name={name} is={text.probability(accuracy)} says={text.runs.right} />)}
      </dl>
      <LossChart curves={curves} />
      {run.answers.length > 0 && (
        <section aria-label={text.runs.samples}>
          <h3>{text.runs.samples}</h3>
          <ul className="samples">
            {[...run.answers].reverse().map(({ step, question, answer }) => (
              <li key={`${step} ${question}`}><p className="sample-question"><span dir="auto">{question}</span><span className="sample-step">{text.runs.step(step, undefined)}</span></p><p className="plain" dir="auto">{answer}</p></li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Fact({ name, is, says }: { name: string; is: string; says: string | null }) {
  return <div><dt>{name}</dt><dd>{is}{says !== null && <span>{says}</span>}</dd></div>;
}

// The runs there are, and the one that is looked at, again and again while the page is seen.
function useRuns(): { names: RunName[]; name: string | undefined; run: Run | null; problem: string | null; choose: (name: string) => void } {
  const { engine } = useStore().connection;
  const [names, setNames] = useState<RunName[]>([]);
  const [chosen, choose] = useState<string>();
  const [run, setRun] = useState<Run | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const gone = new AbortController();
    const look = async (): Promise<void> => {
      try {
        const found = await engine.runs?.list(gone.signal);
        const name = chosen ?? found?.[0]?.name;
        const now = name === undefined ? null : await engine.runs!.follow(name, gone.signal);
        if (gone.signal.aborted) return;
        setNames(found ?? []);
        setRun(now);
        setProblem(!found ? text.runs.unknown : found.length === 0 ? text.runs.none : null);
      } catch (error) {
        if (!gone.signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
      }
      if (!gone.signal.aborted) timer = setTimeout(() => void (document.hidden ? whenSeen(look) : look()), kLookMs);
    };
    void look();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [engine, chosen]);
  return { names, name: chosen ?? names[0]?.name, run, problem, choose };
}

function whenSeen(work: () => Promise<void>): void {
  document.addEventListener('visibilitychange', () => void work(), { once: true });
}
