# Was Doorward in Chats sagt, auf Deutsch.

## Wenn eine Nachricht keine Antwort bekommt
no-answer = Der Agent hat ohne Antwort geendet. Frag noch einmal oder mit anderen Worten.
answered-together = Das wird zusammen mit einer späteren Nachricht beantwortet.
other-folder = Der Ordner der Gruppe wurde seit der letzten Nachricht entfernt oder ersetzt. Der Agent arbeitet jetzt in dem, der da ist.
forgot-turn = Die Nachricht wurde aus dem Gespräch herausgelassen, das weitergeht wie zuvor, damit nicht auch die nächsten abgelehnt werden. Scheitern sie trotzdem, beginnt `doorward group reset { $group }` ein neues.
forgot-conversation = Das bisherige Gespräch ließ sich nicht fortsetzen und wurde beendet, wie es `doorward group reset { $group }` tut; die nächste Nachricht beginnt ein neues. Dateien und Gedächtnis bleiben.
forgot-lost = Das bisherige Gespräch ist nicht mehr da, also wurde ein neues begonnen. Dateien und Gedächtnis bleiben.
agent-failed = Der Agent ist gescheitert: { $why }
sandbox-gone = Die Sandbox ist weg.
sandbox-ended = Die Sandbox hat geendet, bevor die Antwort fertig war.
sandbox-lost = Die Sandbox ging verloren: { $why }
sandbox-not-started = Die Sandbox ließ sich nicht starten: { $why }
start-given-up = die Container-Engine hat sie nicht innerhalb von { $seconds } s gestartet
daemon-ended = Doorward wurde beendet, während das beantwortet wurde.
not-recorded = Doorward konnte die Antwort darauf nicht festhalten.
tried-times = Es wurde { $count }-mal versucht. Die nächste Nachricht versucht es von Neuem.
runs-used-up = Der Assistent wurde heute { $count ->
    [one] einmal
   *[other] { $count }-mal
} an die Arbeit gesetzt, öfter darf er nicht (runs_per_day). Morgen geht es weiter, oder sobald der Besitzer mehr erlaubt.
models-used-up = Das Modell kann vorerst nicht mehr gefragt werden: { $why }
next-agent = { $agent } ist überlastet oder hat kein Guthaben mehr; bis das vorbei ist, antwortet { $next }.
trying-again = Nächster Versuch in { $seconds } s.
begun-again = Es wird von vorn begonnen.
folder-stays = Was im Ordner der Gruppe schon getan war, bleibt.
waits-for-engine = Die Nachricht wartet und wird aufgenommen, sobald die Engine wieder da ist.
answer-cut = (Die Antwort war länger, als in diesen Chat passt; der Rest wurde abgeschnitten.)
message-cut = Die Nachricht ist länger als { $kib } KiB; der Agent hat sie bis dorthin gelesen. Längeres gehört in eine Datei.
answer-withheld = Doorward hat diese Antwort zurückgehalten: { $why }. `doorward audit` sagt mehr.
words-withheld = Doorward hat eine Nachricht zurückgehalten: Darin stand etwas, das nicht hinausdarf. `doorward audit` sagt mehr.
question-withheld = Doorward hat eine Frage an dich zurückgehalten: Darin stand etwas, das nicht hinausdarf. `doorward ask` zeigt sie; keine Antwort auf diese Nachricht beantwortet sie.
not-the-owners-word = Das sagt hier nur der Besitzer, mit eigenen Worten und nicht in einer weitergeleiteten Nachricht. Nichts ist geschehen.
not-delivered = Eine Antwort konnte nicht zugestellt werden: { $why }
chat-not-told = Dem Chat der Gruppe { $group } konnte etwas nicht gesagt werden: { $why }. `doorward undelivered { $group }` zeigt, was ihm entgangen ist.

## Warum eine Sandbox nicht startet, für andere als den Besitzer
start-not-as-asked = sie ist nicht so, wie sie sein soll, und wurde deshalb entfernt
start-no-engine = die Container-Engine läuft nicht
start-engine-failed = die Container-Engine konnte sie nicht starten
start-no-door = ihre Tür lässt sich nicht öffnen
start-no-folder = einer ihrer Ordner lässt sich nicht vorbereiten
start-no-mount = ein Ordner, den ihr Eigentümer für sie freigibt, lässt sich nicht einbinden
start-no-settings = die Einstellungen der Gruppe sind nicht lesbar
start-orphans = die eines früheren Daemons ließen sich nicht entfernen
owner-finds = { $why }; alles Weitere findet der Besitzer im Log des Daemons

## Was ein Lauf schon gesendet hatte
sent-not-known = Was schon hinausgegangen war, ist nicht bekannt, deshalb wird es nicht von selbst wiederholt. Sende die Nachricht noch einmal, wenn es noch einmal getan werden soll.
sent-nothing = Schreiben durfte es schon, hinausgegangen war davon nichts; von selbst wird es nicht wiederholt. Sende die Nachricht noch einmal, wenn es getan werden soll.
sent-to-hosts = Durch die Tür war schon etwas hinausgegangen, an { $hosts }, deshalb wird es nicht von selbst wiederholt; `doorward audit` zeigt, was. Sende die Nachricht noch einmal, wenn es noch einmal getan werden soll.
sent-to-hosts-and-others = Durch die Tür war schon etwas hinausgegangen, an { $hosts } und andere, deshalb wird es nicht von selbst wiederholt; `doorward audit` zeigt, was. Sende die Nachricht noch einmal, wenn es noch einmal getan werden soll.
sent-a-message = Eine Nachricht war schon gesendet, deshalb wird es nicht von selbst wiederholt. Sende die Nachricht noch einmal, wenn es noch einmal getan werden soll.
asked-its-model = Das Modell war schon gefragt, unter einer Regel, die dort mehr erlaubt, deshalb wird es nicht von selbst wiederholt; was Werkzeuge im Ordner der Gruppe getan haben, bleibt. Sende die Nachricht noch einmal, wenn es noch einmal getan werden soll.

## Anhalten und Warten
shell-hello = Hallo. Hier antwortet eine einfache Shell: Was du schreibst, ist ein Befehl, und seine Ausgabe ist die Antwort. Versuch `ls` oder `curl -sS https://example.org/`, um zu sehen, wie die Tür etwas ablehnt. Für einen Agenten, der denkt: `doorward setup`, oder `doorward group set { $group } agent claude`; docs/agents.md sagt, was er braucht.
stopped = Angehalten.
stopped-group = { $group } angehalten.
no-such-group = Eine Gruppe dieses Namens gibt es nicht: Nichts wurde angehalten, gesperrt oder pausiert.
no-such-group-meant = Eine Gruppe dieses Namens gibt es nicht: Nichts wurde angehalten, gesperrt oder pausiert. Meinst du { $group }?
no-such-task = Eine Aufgabe { $number } gibt es hier nicht: Nichts wurde beendet.
nothing-ran = Es lief nichts.
stopped-send-again = Angehalten. Sende die Nachricht noch einmal, wenn es getan werden soll.
stopped-as-asked = Angehalten, wie gewünscht.
paused-all = Pause bis { $time }. Nachrichten bleiben und werden dann beantwortet; „resume“ beendet sie früher. Was gerade beantwortet wird, läuft weiter; „stop“ beendet es.
paused-group = { $group } hat Pause bis { $time }. Nachrichten bleiben und werden dann beantwortet; „resume { $group }“ beendet sie früher. Was gerade beantwortet wird, läuft weiter; „stop { $group }“ beendet es.
paused-you-wait = Der Besitzer hat hier bis { $time } eine Pause eingelegt. Die Nachricht bleibt und wird dann beantwortet.
paused-with-all = Die Pause bleibt, denn alle Gruppen haben Pause; „resume“ beendet sie.
pause-how = Wie lange? Schreib „pause 1h“, oder „pause family 1h“ für eine Gruppe; höchstens 31 Tage.
resumed-all = Es geht weiter.
resumed-group = { $group } macht weiter.
not-paused = Es war keine Pause.
command-quiet = Der Befehl hat { $time } lang nichts geschrieben und läuft weiter. „stop“ beendet ihn.
agent-quiet = Vom Agenten war { $time } lang nichts zu hören; vielleicht arbeitet er noch. „stop“ beendet ihn.
behind-another = An der Nachricht davor wird noch gearbeitet. „stop“ beendet das.
agent-hung = Vom Agenten war { $time } lang nichts zu hören, deshalb wurde er beendet.
took-too-long = Es wurde nach { $time } beendet; länger darf ein Lauf nicht dauern ([queue] longest in doorward.toml). Was im Ordner der Gruppe getan wurde, bleibt.
still-starting = Die Sandbox startet noch: Die Container-Engine lässt sich Zeit.
seats = { $answered ->
    [one] Gerade wird jemand anderem geantwortet
   *[other] Gerade wird { $answered } anderen geantwortet
}; { $before ->
    [0] danach bist du dran.
    [one] vor dir wartet noch eine Nachricht.
   *[other] vor dir warten noch { $before }.
}
hours = { $count ->
    [one] eine Stunde
   *[other] { $count } Stunden
}
minutes = { $count ->
    [one] eine Minute
   *[other] { $count } Minuten
}
seconds = { $count } s

## Was die Tür abgelehnt hat
refused = Die Tür hat { $request } abgelehnt: { $why }
no-request = eine Verbindung, die keine Anfrage war
no-reason = kein Grund ist festgehalten
reason = { $reason } ({ $code })
reason-not-named = keine Regel nennt den Host
reason-not-this = Regeln nennen den Host, aber nicht dies davon
reason-hours = eine Regel erlaubt es, aber nicht zu dieser Zeit
reason-denied = eine Regel verbietet es
reason-private = der Name führt zu einer privaten Adresse
reason-unresolved = der Name lässt sich nicht auflösen
reason-limit = es ist mehr, als erlaubt ist
reason-secret = darin stand etwas, das nicht hinausdarf
reason-surrogate = ein Surrogat stand, wo es nicht hingehört
reason-host = der Host war nicht erreichbar oder hat falsch geantwortet
reason-body = der Inhalt ist nicht, wie die Regeln ihn wollen
reason-revoked = es wurde angehalten, oder die Policy wurde enger
reason-other = das lässt die Tür nicht durch
refused-more = (und { $count } weitere; `doorward audit --denied` zeigt alle)
to-allow = Um es zu erlauben, schreib in { $file }:
to-allow-run = Um es zu erlauben, gib ein:
to-allow-or = oder schreib in { $file }:
to-allow-change = Um es zu erlauben, ändere { $file }:

## Alarme
alarm = ALARM in der Gruppe { $group }: { $what }.
alarm-of-nobody = ALARM: { $why }.
alarm-secret = ein echtes Geheimnis war unterwegs zu { $host }
alarm-bait = jemand hat sich umgesehen: Der Köder { $bait } war unterwegs zu { $host }
alarm-foreign-key = ein Schlüssel, der nicht der Gruppe gehört, wurde an { $host } gesendet
alarm-surrogate = ein Surrogat wurde dorthin gesendet, wo es nicht hingehört, an { $host }
alarm-leak = etwas, das nach einem Leck aussieht, wurde an { $host } gesendet
alarm-secret-back = { $host } hat ein echtes Geheimnis so zurückgesendet, dass es sich nicht entfernen ließ
unreadable-host = einen Host, der nicht lesbar war
alarm-answer-cut = Die Antwort wurde abgebrochen, bevor das Geheimnis vollständig war.
alarm-request-cut = Die Anfrage wurde abgebrochen; ein Teil davon kann schon hinausgegangen sein.
alarm-request-refused = Die Anfrage wurde abgelehnt; nichts davon ging hinaus.
alarm-why = Grund: { $code }: { $why }
alarm-do = Was zu tun ist: { $advice } Halte die Gruppe mit `doorward stop { $group }` an, bis du es weißt. { $shown }
alarm-record = `doorward audit show { $record }` zeigt alles (Eintrag { $record }).
alarm-records = `doorward audit show { $record }` zeigt den letzten (Eintrag { $record }), `doorward audit --group { $group } --alarms` alle.
alarm-second = Das ist der zweite innerhalb einer Minute.
alarm-more = Und { $count } weitere dieser Art seit der letzten Meldung.
advice-secret = Eine Sandbox sollte kein echtes Geheimnis kennen: Ersetze es dort, wo es ausgestellt wurde, und finde die Datei oder Nachricht, in der es stand.
advice-bait = Nichts Echtes war darin, und nichts muss ersetzt werden. Keine Aufgabe braucht diesen Text: Wer ihn gesendet hat, hat gelesen, was nicht für ihn war. Sieh nach, was der Agent zuletzt gelesen hat und was ihm gesagt wurde.
advice-foreign-key = Wenn du dem Agenten diesen Schlüssel selbst gegeben hast, nimm ihn weg und mach daraus ein Credential in doorward.toml; sonst folgt der Agent vielleicht fremden Anweisungen.
advice-surrogate = Kein echtes Geheimnis war darin, also muss keines ersetzt werden. Der Agent folgt vielleicht fremden Anweisungen: Sieh nach, was er zuletzt gelesen hat.
advice-secret-back = Vielleicht ließ jemand den Host aufschreiben, was ihm gesendet wurde: Sieh nach, was angefragt wurde. Ersetze das Geheimnis, wenn es in Stücken kam oder andere diese Antwort abrufen können. `doorward secret trust` zeigt, ob der Host keines mehr bekommt.
advice-leak = Sieh nach, was der Agent zuletzt gelesen hat; er folgt vielleicht fremden Anweisungen.
alarm-reply = ALARM in der Gruppe { $group }: Eine Antwort an ihren Chat wurde zurückgehalten.
alarm-reply-why = Grund: { $why }.
alarm-reply-do = Was zu tun ist: { $advice } { $shown }
advice-reply = Ein Agent sollte kein echtes Geheimnis kennen: Ersetze es dort, wo es ausgestellt wurde, und finde die Datei oder Nachricht, in der es stand.
budget = { $why }.
budget-do = Was zu tun ist: nichts, wenn du damit rechnest; was über die Grenze geht, wird abgelehnt. `doorward audit digest --group { $group } --since 1d` zeigt, wohin es ging; die Grenzen stehen unter [limits] in der Policy der Gruppe.
access = { $asked }
access-do = Damit ist nichts erlaubt. `doorward requests` zeigt, was gefragt wurde und welche Zeilen es erlauben würden; ob sie in die Policy kommen, entscheidest du.
policy-rejected = Die Policy der Gruppe { $group } wurde mit einem Fehler gespeichert und nicht übernommen; die vorige bleibt in Kraft.
policy-rejected-do = Was zu tun ist: `doorward policy check { $group }` zeigt, wo der Fehler ist. Ohne ihn gespeichert, gilt sie sofort.
disk = { $why }.

## Nach `doorward setup`
set-up = Doorward ist eingerichtet, und das ist dein Hauptchat: Schreib hier, und der Assistent antwortet. Auch Alarme und worum Agenten dich bitten, stehen hier. „stop“ beendet, was läuft.

## Der tägliche Überblick
digest-since = Seit { $since }:
digest-alarms = { $count ->
    [one] 1 Alarm
   *[other] { $count } Alarme
}: `doorward audit --alarms`.
digest-group = { $group }: { $hosts }
digest-more-hosts = und { $count ->
    [one] 1 weiterer Host
   *[other] { $count } weitere Hosts
}
digest-group-nothing = { $group }: nichts ging hinaus
digest-refused = { $count ->
    [one] 1 Anfrage wurde
   *[other] { $count } Anfragen wurden
} abgelehnt: `doorward audit --denied`.
digest-asked = Du wurdest { $asked ->
    [one] einmal
   *[other] { $asked }-mal
} gefragt und hast { $answered } beantwortet.
digest-models = { $group }: { $runs ->
    [one] 1 Lauf
   *[other] { $runs } Läufe
}, { $tokens } Tokens, { $money }
digest-no-price = (nicht alle Modelle haben einen Preis: `doorward usage`)
digest-tasks = { $count ->
    [one] 1 Aufgabe ist geplant.
   *[other] { $count } Aufgaben sind geplant.
}
digest-task-made = Der Agent von { $group } hat Aufgabe { $number } angelegt: „{ $what }“ (abbrechen { $number } beendet sie)
digest-task-failed = { $count ->
    [one] Aufgabe { $number } von { $group } ist gescheitert.
   *[other] Aufgabe { $number } von { $group } ist { $count } Mal gescheitert.
}
digest-task-paused = Aufgabe { $number } von { $group } („{ $what }“) ist immer wieder gescheitert und pausiert jetzt: `doorward task resume { $number }`.
digest-more-tasks = und { $count } weitere: `doorward task list`
digest-drill = Die letzte Übung war am { $day }: nichts kam hinaus.
digest-drill-failed = Die letzte Übung war am { $day } und ist gescheitert: starte `doorward drill`.
digest-no-drill = Es gab noch keine Übung: `doorward drill` greift deine eigene Installation an.
digest-log = Das Protokoll endet mit Eintrag { $record }. Bewahre diesen Fingerabdruck anderswo auf; `doorward audit verify --head` nimmt ihn:
digest-quiet = Ein ruhiger Tag: seit { $since } wurde an keiner Tür etwas gefragt.
digest-quiet-log = Das Protokoll: Eintrag { $record }, { $head }
digest-off = Es gibt keinen täglichen Überblick mehr. „digest on“ holt ihn zurück.
digest-on = Der Überblick kommt wieder jeden Tag. „digest off“ beendet ihn.

## Worüber Leute in einem Chat mitreden
people-notice = Hallo, ich bin { $name }, ein Assistent, den der Besitzer dieses Chats eingerichtet hat. Was hier geschrieben wird, liest das Programm auf dem Rechner des Besitzers und bewahrt es dort auf; ruft mich jemand, geht es zusammen mit dem davor Geschriebenen an ein Sprachmodell. Der Besitzer kann es lesen. Schreib „@{ $name } nicht ich“, und nichts von dir wird mehr aufbewahrt, „@{ $name } was hast du von mir“, um es zu erfahren, „@{ $name } vergiss mich“, um es überschreiben zu lassen.
people-not-me = Ab jetzt wird nichts aufbewahrt oder dem Modell vorgelesen, was du hier schreibst, und ich kann dir nicht antworten. Was davor aufbewahrt wurde, bleibt, bis du „vergiss mich“ schreibst. „wieder ich“ beendet das.
people-me-again = Was du hier schreibst, wird wieder aufbewahrt und gelesen.
people-not-kept = Du wolltest, dass nichts von dir aufbewahrt wird, darum habe ich das nicht gelesen. „wieder ich“ beendet das.
people-have = Von dir aufbewahrt: { $count ->
    [one] eine Nachricht
   *[other] { $count } Nachrichten
} seit { $since }, und der Name „{ $name }“.
people-have-nothing = Nichts, was du hier geschrieben hast, ist aufbewahrt.
people-have-besides = Der Besitzer kann es lesen. Was sich der Assistent selbst notiert hat, in seinem Gedächtnis und seinen Gesprächen, kann dich auch nennen: frag den Besitzer. „vergiss mich“ überschreibt, was von dir aufbewahrt ist.
people-forgotten = Überschrieben: { $count ->
    [one] eine Nachricht
   *[other] { $count } Nachrichten
} von dir, dein Name und was andere von dir zitiert haben. Im Protokoll steht eine Quittung, ohne deinen Namen. Was sich der Assistent selbst notiert hat, in seinem Gedächtnis und seinen Gesprächen, kann der Besitzer entfernen: frag ihn.

## Aufgaben
behind-a-task = Zuerst wird Aufgabe { $number } ausgeführt. „stop“ beendet sie.
task-failed = Aufgabe { $number } („{ $what }“) ist gescheitert: { $why }
task-tried = Sie wurde { $count } Mal versucht.
task-not-repeated = Es war schon etwas hinausgegangen, deshalb wird sie nicht wiederholt; `doorward audit` zeigt, was.
task-paused = Sie ist { $count } Mal hintereinander gescheitert und pausiert jetzt. Mit `doorward task resume { $number }` geht es weiter.
task-stopped = Aufgabe { $number } („{ $what }“) wurde angehalten.
when-once = am { $time }
when-every = alle { $time }
when-cron = nach der Cron-Zeile „{ $line }“
when-daily = jeden Tag um { $time }
when-weekdays = werktags (Montag bis Freitag) um { $time }
when-days = jeden { $days } um { $time }
when-monthly = am { $day }. jedes Monats um { $time }
day-and = { $first }, { $more }
day-monday = Montag
day-tuesday = Dienstag
day-wednesday = Mittwoch
day-thursday = Donnerstag
day-friday = Freitag
day-saturday = Samstag
day-sunday = Sonntag
gate-failed = Der Befehl davor ist gescheitert: { $why }
task-made = Ab jetzt tue ich das { $when } ({ $zone }), als Aufgabe { $number }: „{ $what }“
task-changed = Aufgabe { $number } ist ab jetzt eine andere. Ich tue das { $when } ({ $zone }): „{ $what }“
task-gate = Nur, wenn dieser Befehl etwas findet: „{ $command }“
task-cancel = Um sie zu beenden, antworte: abbrechen { $number }
task-paused-by-agent = Aufgabe { $number } („{ $what }“) ruht ab jetzt.
task-resumed-by-agent = Aufgabe { $number } („{ $what }“) geht weiter.
task-cancelled-by-agent = Aufgabe { $number } („{ $what }“) wird nicht mehr ausgeführt.
task-by-other = Die Gruppe { $group } wollte das, und der Besitzer hat zugestimmt.
task-cancelled = Aufgabe { $number } („{ $what }“) ist beendet.
task-over = Aufgabe { $number } ist schon zu Ende.
