# What Doorward says in chats. Every language has each of these, with the same variables;
# src/phrases/tests.rs holds that. Values are put in as they are, never translated.

## When a message gets no answer
no-answer = The agent ended without an answer. Ask again, or in other words.
answered-together = This is answered together with a message that came after it.
other-folder = The group's folder was removed or replaced since the last message. The agent goes on in the one that is there now.
forgot-turn = The message was left out of the conversation, which goes on as it was before, so that it does not have the next ones refused as well. Should they fail all the same, `doorward group reset { $group }` begins a new one.
forgot-conversation = The earlier conversation could not go on and was ended, as `doorward group reset { $group }` does; the next message begins a new one. Files and memory stay.
forgot-lost = The earlier conversation is not there any more, so a new one was begun. Files and memory stay.
agent-failed = The agent failed: { $why }
sandbox-gone = The sandbox is gone.
sandbox-ended = The sandbox ended before the answer was complete.
sandbox-lost = The sandbox was lost: { $why }
sandbox-not-started = The sandbox could not be started: { $why }
start-given-up = the container engine did not start it within { $seconds } s
daemon-ended = Doorward was ended while this was being answered.
not-recorded = Doorward could not record the answer to this.
tried-times = It was tried { $count } times. The next message tries anew.
runs-used-up = The assistant was set to work { $count ->
    [one] once
   *[other] { $count } times
} today, which is all that it may (runs_per_day). It goes on tomorrow, or when the owner allows more.
models-used-up = The model cannot be asked any more for now: { $why }
next-agent = { $agent } is overloaded or out of credit; { $next } answers until it works again.
trying-again = Trying again in { $seconds } s.
begun-again = It is begun again from the start.
folder-stays = What it had already done in the group's folder stays.
waits-for-engine = The message waits, and is taken on when the engine is back.
answer-cut = (The answer was longer than this chat takes; the rest was cut.)
message-cut = The message is longer than { $kib } KiB; the agent read it up to there. Put what is longer into a file.
answer-withheld = Doorward withheld this answer: { $why }. `doorward audit` has more.
words-withheld = Doorward withheld a message: it held something that must not leave. `doorward audit` has more.
question-withheld = Doorward withheld a question to you: it held something that must not leave. `doorward ask` lists it; no reply to this message answers it.
not-the-owners-word = Only the owner says that here, in their own words and not in a forwarded message. Nothing happened.
not-delivered = An answer could not be delivered: { $why }
chat-not-told = The chat of group { $group } could not be told something: { $why }. `doorward undelivered { $group }` prints what it missed.

## Why a sandbox does not come up, for people other than the owner
start-not-as-asked = it is not what was asked for, so it was removed
start-no-engine = the container engine is not running
start-engine-failed = the container engine could not start it
start-no-door = its door cannot be opened
start-no-folder = a folder of it cannot be made ready
start-no-mount = a folder that its owner shares with it cannot be mounted
start-no-settings = the group's settings cannot be read
start-orphans = those of an earlier daemon could not be removed
owner-finds = { $why }; the owner finds the whole of it in the daemon's log

## What a run had sent that is not repeated
sent-not-known = What it had already sent out is not known, so it is not repeated by itself. Send the message again if you want it done again.
sent-nothing = It had been let through to write, and nothing of that had left; it is not repeated by itself. Send the message again if you want it done.
sent-to-hosts = It had already sent something out through the door, to { $hosts }, so it is not repeated by itself; `doorward audit` shows what. Send the message again if you want it done again.
sent-to-hosts-and-others = It had already sent something out through the door, to { $hosts } and others, so it is not repeated by itself; `doorward audit` shows what. Send the message again if you want it done again.
sent-a-message = It had already sent a message, so it is not repeated by itself. Send the message again if you want it done again.
asked-its-model = Its model had been asked, under a rule that lets more be done there, so it is not repeated by itself; what its tools did in the group's folder stays. Send the message again if you want it done again.

## Stops and waits
shell-hello = Hello. Here answers a plain shell: what you write is a command, and its output is the answer. Try `ls`, or `curl -sS https://example.org/` to see the door refuse something. For an agent that thinks, run `doorward setup`, or `doorward group set { $group } agent claude`; docs/agents.md says what it needs.
stopped = Stopped.
stopped-group = Stopped { $group }.
no-such-group = There is no group of that name: nothing was stopped, locked or paused.
no-such-group-meant = There is no group of that name: nothing was stopped, locked or paused. Did you mean { $group }?
no-such-task = There is no task { $number } here: nothing was cancelled.
nothing-ran = Nothing was running.
stopped-send-again = Stopped. Send the message again to have it done.
stopped-as-asked = Stopped, as you asked.
paused-all = Paused until { $time }. Messages are kept, and answered then; "resume" ends it sooner. What is being answered now goes on; "stop" ends that.
paused-group = { $group } is paused until { $time }. Messages are kept, and answered then; "resume { $group }" ends it sooner. What is being answered now goes on; "stop { $group }" ends that.
paused-you-wait = The owner has paused this until { $time }. The message is kept, and answered then.
paused-with-all = It stays paused, as every group is paused; "resume" ends that.
pause-how = For how long? Write "pause 1h", or "pause family 1h" for one group; at most 31 days.
resumed-all = It goes on.
resumed-group = { $group } goes on.
not-paused = Nothing was paused.
command-quiet = The command has written nothing for { $time } and goes on. "stop" ends it.
agent-quiet = Nothing was heard of the agent for { $time }; it may still be at work. "stop" ends it.
behind-another = The message before this one is still being worked on. "stop" ends it.
agent-hung = Nothing was heard of the agent for { $time }, so it was ended.
took-too-long = It was ended after { $time }, the longest that a run may take ([queue] longest in doorward.toml). What it did in the group's folder stays.
still-starting = The sandbox is still being started: the container engine takes its time.
seats = { $answered ->
    [one] One other is being answered
   *[other] { $answered } others are being answered
}; { $before ->
    [0] you are next.
    [one] one is before you in line.
   *[other] { $before } are before you in line.
}
hours = { $count ->
    [one] an hour
   *[other] { $count } hours
}
minutes = { $count ->
    [one] a minute
   *[other] { $count } minutes
}
seconds = { $count } s

## What the door refused
refused = The door refused { $request }: { $why }
no-request = a connection that was no request
no-reason = no reason was recorded
reason = { $reason } ({ $code })
reason-not-named = no rule names the host
reason-not-this = rules name the host, but not this of it
reason-hours = a rule allows it, but not at this time
reason-denied = a rule denies it
reason-private = the name leads to a private address
reason-unresolved = the name does not resolve
reason-limit = it is more than is allowed
reason-secret = it held something that must not leave
reason-surrogate = a surrogate stood where it does not belong
reason-host = the host could not be reached or answered wrongly
reason-body = its body is not as the rules want it
reason-revoked = it was stopped, or the policy was tightened
reason-other = the door does not let this through
refused-more = (and { $count } more; `doorward audit --denied` shows all)
to-allow = To allow it, put this into { $file }:
to-allow-run = To allow it, run:
to-allow-or = or put this into { $file }:
to-allow-change = To allow it, change { $file }:

## Alarms
alarm = ALARM in group { $group }: { $what }.
alarm-of-nobody = ALARM: { $why }.
alarm-secret = a real secret was on its way to { $host }
alarm-bait = somebody looked around: the bait { $bait } was on its way to { $host }
alarm-foreign-key = a key that is not the group's own was sent to { $host }
alarm-surrogate = a surrogate was sent where it does not belong, to { $host }
alarm-leak = something that looks like a leak was sent to { $host }
alarm-secret-back = { $host } sent a real secret back in a way that it could not be taken off
unreadable-host = a host that could not be read
alarm-answer-cut = The answer was cut off before the secret was whole.
alarm-request-cut = The request was cut off; part of it may have gone out before.
alarm-request-refused = The request was refused; nothing of it went out.
alarm-why = Why: { $code }: { $why }
alarm-do = What to do: { $advice } Stop the group with `doorward stop { $group }` until you know. { $shown }
alarm-record = `doorward audit show { $record }` shows all of it (record { $record }).
alarm-records = `doorward audit show { $record }` shows the last one (record { $record }), `doorward audit --group { $group } --alarms` all of them.
alarm-second = This is the second within a minute.
alarm-more = And { $count } more of this kind since the last message.
advice-secret = a sandbox should not know a real secret: replace the secret at its issuer, and find the file or message it was in.
advice-bait = nothing real was in it, and nothing has to be replaced. No task needs this text: whoever sent it read what was not for them. Look at what the agent read and was told last.
advice-foreign-key = if you gave the agent that key yourself, take it away and make it a credential of doorward.toml; if not, the agent may be following somebody else's instructions.
advice-surrogate = no real secret was in it, so none has to be replaced. The agent may be following somebody else's instructions: look at what it read last.
advice-secret-back = somebody may have had the host write down what it was sent: look at what was asked for. Replace the secret if it came in pieces, or if others can fetch that answer. `doorward secret trust` shows whether the host gets none any more.
advice-leak = look at what the agent read last; it may be following somebody else's instructions.
alarm-reply = ALARM in group { $group }: an answer to its chat was withheld.
alarm-reply-why = Why: { $why }.
alarm-reply-do = What to do: { $advice } { $shown }
advice-reply = an agent should not know a real secret: replace it at its issuer, and find the file or message it was in.
budget = { $why }.
budget-do = What to do: nothing, if you expect it; what goes beyond the limit is refused. `doorward audit digest --group { $group } --since 1d` shows where it went; the limits are in [limits] of the group's policy.
access = { $asked }
access-do = Nothing is allowed by this. `doorward requests` shows what was asked and the lines that would allow it; whether they go into the policy is yours to say.
policy-rejected = The policy of group { $group } was saved with a mistake and was not taken; the one before it stays in force.
policy-rejected-do = What to do: `doorward policy check { $group }` shows where the mistake is. It is taken as soon as you save it without one.
disk = { $why }.

## Once `doorward setup` is through
set-up = Doorward is set up, and this is your main chat: write here, and the assistant answers. Alarms, and what agents ask you to allow, are told here too. "stop" ends what runs.

## The daily digest
digest-since = Since { $since }:
digest-alarms = { $count ->
    [one] 1 alarm
   *[other] { $count } alarms
}: `doorward audit --alarms`.
digest-group = { $group }: { $hosts }
digest-more-hosts = and { $count ->
    [one] 1 more host
   *[other] { $count } more hosts
}
digest-group-nothing = { $group }: nothing went out
digest-refused = { $count ->
    [one] 1 request was
   *[other] { $count } requests were
} refused: `doorward audit --denied`.
digest-asked = You were asked { $asked ->
    [one] once
   *[other] { $asked } times
}, and answered { $answered }.
digest-models = { $group }: { $runs ->
    [one] 1 run
   *[other] { $runs } runs
}, { $tokens } tokens, { $money }
digest-no-price = (not all models have a price: `doorward usage`)
digest-tasks = { $count ->
    [one] 1 task is planned.
   *[other] { $count } tasks are planned.
}
digest-task-made = The agent of { $group } made task { $number }: “{ $what }” (cancel { $number } ends it)
digest-task-failed = { $count ->
    [one] Task { $number } of { $group } failed.
   *[other] Task { $number } of { $group } failed { $count } times.
}
digest-task-paused = Task { $number } of { $group } (“{ $what }”) failed over and over and is paused: `doorward task resume { $number }`.
digest-more-tasks = and { $count } more: `doorward task list`
digest-drill = The last drill was on { $day }: nothing got out.
digest-drill-failed = The last drill was on { $day } and failed: run `doorward drill`.
digest-no-drill = No drill was held yet: `doorward drill` attacks your own installation.
digest-log = The log ends with record { $record }. Keep this fingerprint elsewhere; `doorward audit verify --head` takes it:
digest-quiet = A quiet day: nothing was asked at any door since { $since }.
digest-quiet-log = The log: record { $record }, { $head }
digest-off = There is no daily digest any more. "digest on" brings it back.
digest-on = The digest comes every day again. "digest off" ends it.

## What people in a chat have a say about
people-notice = Hello, I am { $name }, an assistant that this chat's owner has set up. What is written here is read by the program on the owner's machine and kept there; when somebody calls me, it goes to a language model along with what was written before. The owner may read it. Write "@{ $name } not me" and nothing of yours is kept any more, "@{ $name } what do you have of me" to hear what is, "@{ $name } forget me" to have it overwritten.
people-not-me = From now on nothing that you write here is kept or read to the model, and I cannot answer you. What was kept before stays until you write "forget me". "me again" ends this.
people-me-again = What you write here is kept and read again.
people-not-kept = You asked that nothing of yours is kept, so I have not read this. "me again" ends that.
people-have = Of you are kept: { $count ->
    [one] one message
   *[other] { $count } messages
} since { $since }, and the name “{ $name }”.
people-have-nothing = Nothing that you wrote here is kept.
people-have-besides = The owner can read it. What the assistant noted itself, in its memory and its conversations, may mention you too: ask the owner. "forget me" overwrites what is kept of you.
people-forgotten = Overwritten: { $count ->
    [one] one message
   *[other] { $count } messages
} of yours, your name, and what others quoted of you. The audit log has a receipt, without your name. What the assistant noted itself, in its memory and its conversations, the owner can remove: ask them.

## Tasks
behind-a-task = Task { $number } is being carried out first. "stop" ends it.
task-failed = Task { $number } (“{ $what }”) failed: { $why }
task-tried = It was tried { $count } times.
task-not-repeated = Something had already gone out by then, so it is not done over again; `doorward audit` shows what.
task-paused = It has failed { $count } times in a row, so it is paused. `doorward task resume { $number }` has it go on.
task-stopped = Task { $number } (“{ $what }”) was stopped.
when-once = at { $time }
when-every = every { $time }
when-cron = by the cron line “{ $line }”
when-daily = each day at { $time }
when-weekdays = each weekday at { $time }
when-days = each { $days } at { $time }
when-monthly = on day { $day } of each month at { $time }
day-and = { $first }, { $more }
day-monday = Monday
day-tuesday = Tuesday
day-wednesday = Wednesday
day-thursday = Thursday
day-friday = Friday
day-saturday = Saturday
day-sunday = Sunday
gate-failed = The command before it failed: { $why }
task-made = From now on I do this { $when } ({ $zone }), as task { $number }: “{ $what }”
task-changed = Task { $number } is another from now on. I do this { $when } ({ $zone }): “{ $what }”
task-gate = Only where this command finds something: “{ $command }”
task-cancel = To stop it, reply: cancel { $number }
task-paused-by-agent = Task { $number } (“{ $what }”) rests from now on.
task-resumed-by-agent = Task { $number } (“{ $what }”) goes on.
task-cancelled-by-agent = Task { $number } (“{ $what }”) is not done any more.
task-by-other = The group { $group } wanted this, and the owner said yes.
task-cancelled = Task { $number } (“{ $what }”) is cancelled.
task-over = Task { $number } is over already.
