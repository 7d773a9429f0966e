# ما يقوله Doorward في المحادثات، بالعربية.

## حين لا تُجاب رسالة
no-answer = أنهى الوكيل عمله بلا جواب. اسأل مرة أخرى، أو بكلمات أخرى.
answered-together = يُجاب عن هذه الرسالة مع رسالة جاءت بعدها.
other-folder = أُزيل مجلد المجموعة أو استُبدل منذ الرسالة الأخيرة. يواصل الوكيل العمل في المجلد الموجود الآن.
forgot-turn = أُخرجت الرسالة من المحادثة التي تستمر كما كانت، كي لا تُرفض الرسائل التالية أيضًا. وإن أخفقت مع ذلك، فالأمر `doorward group reset { $group }` يبدأ محادثة جديدة.
forgot-conversation = تعذّر استمرار المحادثة السابقة فأُنهيت، كما يفعل `doorward group reset { $group }`؛ والرسالة التالية تبدأ محادثة جديدة. تبقى الملفات والذاكرة.
forgot-lost = لم تعد المحادثة السابقة موجودة، فبدأت محادثة جديدة. تبقى الملفات والذاكرة.
agent-failed = أخفق الوكيل: { $why }
sandbox-gone = لم يعد صندوق الرمل موجودًا.
sandbox-ended = انتهى صندوق الرمل قبل اكتمال الجواب.
sandbox-lost = فُقد صندوق الرمل: { $why }
sandbox-not-started = تعذّر تشغيل صندوق الرمل: { $why }
start-given-up = لم يشغّله محرك الحاويات خلال { $seconds } ث
daemon-ended = أُوقف Doorward أثناء الإجابة عن هذا.
not-recorded = تعذّر على Doorward تسجيل الجواب عن هذا.
tried-times = عدد المحاولات: { $count }. الرسالة التالية تحاول من جديد.
runs-used-up = شُغّل المساعد اليوم { $count ->
    [one] مرة واحدة
   *[other] { $count } من المرات
}، وهذا كل المسموح به (runs_per_day). يتابع غدًا، أو حين يسمح المالك بالمزيد.
models-used-up = لا يمكن سؤال النموذج الآن: { $why }
next-agent = { $agent } مثقل بالطلبات أو نفد رصيده؛ يجيب { $next } إلى أن يعود إلى العمل.
trying-again = المحاولة التالية بعد { $seconds } ث.
begun-again = يبدأ العمل من أوله.
folder-stays = ما أُنجز في مجلد المجموعة يبقى.
waits-for-engine = الرسالة في الانتظار، وتؤخذ حين يعود المحرك.
answer-cut = (كان الجواب أطول مما تتسع له هذه المحادثة؛ حُذف الباقي.)
message-cut = الرسالة أطول من { $kib } كيبيبايت؛ قرأها الوكيل إلى هذا الحد. ضع ما هو أطول في ملف.
answer-withheld = حجب Doorward هذا الجواب: { $why }. التفاصيل في `doorward audit`.
words-withheld = حجب Doorward رسالة: كان فيها ما لا يجوز خروجه. التفاصيل في `doorward audit`.
question-withheld = حجب Doorward سؤالًا موجّهًا إليك: كان فيه ما لا يجوز خروجه. يعرضه `doorward ask`، ولا يُعدّ أي رد على هذه الرسالة جوابًا عنه.
not-the-owners-word = لا يقول ذلك هنا إلا المالك، بكلماته هو لا برسالة معاد توجيهها. لم يحدث شيء.
not-delivered = تعذّر تسليم جواب: { $why }
chat-not-told = تعذّر إبلاغ محادثة المجموعة { $group } بشيء: { $why }. الأمر `doorward undelivered { $group }` يعرض ما فاتها.

## لماذا لا يعمل صندوق الرمل، لغير المالك
start-not-as-asked = ليس كما طُلب، فأُزيل
start-no-engine = محرك الحاويات لا يعمل
start-engine-failed = تعذّر على محرك الحاويات تشغيله
start-no-door = تعذّر فتح بابه
start-no-folder = تعذّر تجهيز أحد مجلداته
start-no-mount = تعذّر ضم مجلد يشاركه مالكه معها
start-no-settings = تعذّرت قراءة إعدادات المجموعة
start-orphans = تعذّرت إزالة ما تركه خادم سابق
owner-finds = { $why }؛ يجد المالك التفاصيل كلها في سجل الخادم

## ما أُرسل من قبل ولا يُعاد
sent-not-known = لا يُعرف ما خرج من قبل، لذلك لا يُعاد تلقائيًا. أرسل الرسالة مرة أخرى إن أردت إعادته.
sent-nothing = كان قد سُمح له بالكتابة ولم يخرج من ذلك شيء؛ ولا يُعاد تلقائيًا. أرسل الرسالة مرة أخرى إن أردت تنفيذه.
sent-to-hosts = خرج شيء عبر الباب من قبل، إلى { $hosts }، لذلك لا يُعاد تلقائيًا؛ ويعرض `doorward audit` ما هو. أرسل الرسالة مرة أخرى إن أردت إعادته.
sent-to-hosts-and-others = خرج شيء عبر الباب من قبل، إلى { $hosts } وغيرها، لذلك لا يُعاد تلقائيًا؛ ويعرض `doorward audit` ما هو. أرسل الرسالة مرة أخرى إن أردت إعادته.
sent-a-message = أُرسلت رسالة من قبل، لذلك لا يُعاد تلقائيًا. أرسل الرسالة مرة أخرى إن أردت إعادته.
asked-its-model = سُئل النموذج من قبل، وفق قاعدة تسمح بأكثر من ذلك هناك، لذلك لا يُعاد تلقائيًا؛ وما فعلته أدواته في مجلد المجموعة يبقى. أرسل الرسالة مرة أخرى إن أردت إعادته.

## الإيقاف والانتظار
shell-hello = مرحبًا. هنا تجيب صدفة أوامر بسيطة: ما تكتبه أمر، ومخرجاته هي الجواب. جرّب `ls`، أو `curl -sS https://example.org/` لترى كيف يرفض الباب شيئًا. لوكيل يفكر شغّل `doorward setup` أو `doorward group set { $group } agent claude`؛ وتذكر docs/agents.md ما يلزمه.
stopped = أُوقف.
stopped-group = أُوقفت { $group }.
no-such-group = لا توجد مجموعة بهذا الاسم: لم يُوقف شيء ولم يُقفل ولم يُعلّق.
no-such-group-meant = لا توجد مجموعة بهذا الاسم: لم يُوقف شيء ولم يُقفل ولم يُعلّق. هل تقصد { $group }؟
no-such-task = لا توجد هنا مهمة { $number }: لم يُلغ شيء.
nothing-ran = لم يكن شيء يعمل.
stopped-send-again = أُوقف. أرسل الرسالة مرة أخرى إن أردت تنفيذها.
stopped-as-asked = أُوقف، كما طلبت.
paused-all = توقّف مؤقت حتى { $time }. تُحفظ الرسائل ويُجاب عنها عندئذ؛ كلمة "resume" تنهيه قبل ذلك. ما يُجاب عنه الآن يستمر؛ كلمة "stop" توقفه.
paused-group = { $group } في توقّف مؤقت حتى { $time }. تُحفظ الرسائل ويُجاب عنها عندئذ؛ عبارة "resume { $group }" تنهيه قبل ذلك. ما يُجاب عنه الآن يستمر؛ عبارة "stop { $group }" توقفه.
paused-you-wait = أوقف المالك هذا مؤقتًا حتى { $time }. الرسالة محفوظة ويُجاب عنها عندئذ.
paused-with-all = يبقى التوقّف، لأن كل المجموعات متوقفة مؤقتًا؛ كلمة "resume" تنهيه.
pause-how = لكم من الوقت؟ اكتب "pause 1h"، أو "pause family 1h" لمجموعة واحدة؛ 31 يومًا على الأكثر.
resumed-all = يستمر العمل.
resumed-group = تستمر { $group }.
not-paused = لم يكن هناك توقّف مؤقت.
command-quiet = لم يكتب الأمر شيئًا منذ { $time } وهو مستمر. كلمة "stop" توقفه.
agent-quiet = لم يُسمع من الوكيل شيء منذ { $time }؛ ربما لا يزال يعمل. كلمة "stop" توقفه.
behind-another = لا يزال العمل جاريًا على الرسالة السابقة. كلمة "stop" توقفه.
agent-hung = لم يُسمع من الوكيل شيء منذ { $time }، فأُوقف.
took-too-long = أُوقف بعد { $time }، وهي أطول مدة مسموح بها ([queue] longest في doorward.toml). ما فُعل في مجلد المجموعة يبقى.
still-starting = لا يزال تشغيل صندوق الرمل جاريًا: محرك الحاويات يحتاج إلى وقت.
seats = محادثات أخرى قيد الإجابة: { $answered }؛ { $before ->
    [0] دورك هو التالي.
   *[other] وقبلك في الدور: { $before }.
}
hours = { $count } ساعة
minutes = { $count } دقيقة
seconds = { $count } ث

## ما رفضه الباب
refused = رفض الباب { $request }: { $why }
no-request = اتصالًا لم يكن طلبًا
no-reason = لم يُسجَّل سبب
reason = { $reason } ({ $code })
reason-not-named = لا قاعدة تسمي المضيف
reason-not-this = توجد قواعد تسمي المضيف، لكنها لا تشمل هذا
reason-hours = توجد قاعدة تسمح به، لكن ليس في هذا الوقت
reason-denied = توجد قاعدة تمنعه
reason-private = يقود الاسم إلى عنوان خاص
reason-unresolved = تعذّر العثور على عنوان لهذا الاسم
reason-limit = إنه أكثر من المسموح
reason-secret = كان فيه ما لا يجوز خروجه
reason-surrogate = كان فيه بديل عن سر حيث لا ينتمي
reason-host = تعذّر الوصول إلى المضيف أو كان جوابه خاطئًا
reason-body = محتواه ليس كما تريد القواعد
reason-revoked = أُوقف، أو شُدّدت السياسة
reason-other = لا يسمح الباب بمرور هذا
refused-more = (وعدد غيرها: { $count }؛ `doorward audit --denied` يعرضها كلها)
to-allow = للسماح به، ضع هذا في { $file }:
to-allow-run = للسماح به، شغّل:
to-allow-or = أو ضع هذا في { $file }:
to-allow-change = للسماح به، غيّر { $file }:

## الإنذارات
alarm = إنذار في المجموعة { $group }: { $what }.
alarm-of-nobody = إنذار: { $why }.
alarm-secret = كان سر حقيقي في طريقه إلى { $host }
alarm-bait = هناك من كان يتفحّص: كان الطُّعم { $bait } في طريقه إلى { $host }
alarm-foreign-key = أُرسل مفتاح ليس للمجموعة إلى { $host }
alarm-surrogate = أُرسل بديل عن سر إلى حيث لا ينتمي، إلى { $host }
alarm-leak = أُرسل ما يشبه تسريبًا إلى { $host }
alarm-secret-back = أعاد { $host } سرًا حقيقيًا بطريقة تعذّرت معها إزالته
unreadable-host = مضيف تعذّرت قراءته
alarm-answer-cut = قُطع الجواب قبل أن يكتمل السر.
alarm-request-cut = قُطع الطلب؛ وربما خرج جزء منه قبل ذلك.
alarm-request-refused = رُفض الطلب؛ ولم يخرج منه شيء.
alarm-why = السبب: { $code }: { $why }
alarm-do = ما العمل: { $advice } أوقف المجموعة بالأمر `doorward stop { $group }` حتى تعرف. { $shown }
alarm-record = الأمر `doorward audit show { $record }` يعرض كل شيء (السجل { $record }).
alarm-records = الأمر `doorward audit show { $record }` يعرض آخرها (السجل { $record })، والأمر `doorward audit --group { $group } --alarms` يعرضها كلها.
alarm-second = هذا هو الثاني خلال دقيقة.
alarm-more = وعدد غيره من هذا النوع منذ الرسالة الأخيرة: { $count }.
advice-secret = لا ينبغي أن يعرف صندوق الرمل سرًا حقيقيًا: استبدله لدى من أصدره، وابحث عن الملف أو الرسالة التي كان فيها.
advice-bait = لم يكن فيه شيء حقيقي، ولا يلزم استبدال شيء. لا مهمة تحتاج إلى هذا النص: من أرسله قرأ ما ليس له. انظر فيما قرأه الوكيل وما قيل له أخيرًا.
advice-foreign-key = إن كنت أعطيت الوكيل هذا المفتاح بنفسك فخذه منه واجعله بيانات اعتماد في doorward.toml؛ وإلا فربما يتبع الوكيل تعليمات غيرك.
advice-surrogate = لم يكن فيه سر حقيقي، فلا يلزم استبدال شيء. ربما يتبع الوكيل تعليمات غيرك: انظر فيما قرأه أخيرًا.
advice-secret-back = ربما جعل أحدٌ المضيفَ يدوّن ما أُرسل إليه: انظر فيما طُلب. استبدل السر إن جاء مجزّأً، أو إن كان غيرك يستطيع جلب ذلك الجواب. يعرض `doorward secret trust` هل كفّ المضيف عن تلقي الأسرار.
advice-leak = انظر فيما قرأه الوكيل أخيرًا؛ ربما يتبع تعليمات غيرك.
alarm-reply = إنذار في المجموعة { $group }: حُجب جواب عن محادثتها.
alarm-reply-why = السبب: { $why }.
alarm-reply-do = ما العمل: { $advice } { $shown }
advice-reply = لا ينبغي أن يعرف الوكيل سرًا حقيقيًا: استبدله لدى من أصدره، وابحث عن الملف أو الرسالة التي كان فيها.
budget = { $why }.
budget-do = ما العمل: لا شيء إن كنت تتوقعه؛ ما يتجاوز الحد يُرفض. الأمر `doorward audit digest --group { $group } --since 1d` يعرض إلى أين ذهب؛ والحدود تحت [limits] في سياسة المجموعة.
access = { $asked }
access-do = لا يُسمح بشيء بهذا. الأمر `doorward requests` يعرض ما طُلب والأسطر التي تسمح به؛ والقرار في وضعها في السياسة لك.
policy-rejected = حُفظت سياسة المجموعة { $group } وفيها خطأ فلم تُعتمد؛ وتبقى السابقة سارية.
policy-rejected-do = ما العمل: الأمر `doorward policy check { $group }` يعرض موضع الخطأ. وتُعتمد حالما تحفظها بلا خطأ.
disk = { $why }.

## بعد `doorward setup`
set-up = اكتمل إعداد Doorward، وهذه محادثتك الرئيسية: اكتب هنا فيجيبك المساعد. هنا تصل أيضًا الإنذارات وما يطلب الوكلاء السماح به. كلمة "stop" توقف ما يعمل.

## الملخص اليومي
digest-since = منذ { $since }:
digest-alarms = { $count ->
    [one] إنذار واحد
   *[other] عدد الإنذارات { $count }
}: `doorward audit --alarms`.
digest-group = { $group }: { $hosts }
digest-more-hosts = و{ $count ->
    [one] مضيف آخر
   *[other] عدد آخر من المضيفين: { $count }
}
digest-group-nothing = { $group }: لم يخرج شيء
digest-refused = { $count ->
    [one] رُفض طلب واحد
   *[other] عدد الطلبات المرفوضة { $count }
}: `doorward audit --denied`.
digest-asked = سُئلت { $asked ->
    [one] مرة واحدة
   *[other] { $asked } من المرات
}، وأجبت عن { $answered }.
digest-models = { $group }: { $runs ->
    [one] تشغيل واحد
   *[other] مرات التشغيل { $runs }
}، الرموز { $tokens }، { $money }
digest-no-price = (ليس لكل النماذج سعر: `doorward usage`)
digest-tasks = { $count ->
    [one] هناك مهمة واحدة مجدولة.
   *[other] عدد المهام المجدولة { $count }.
}
digest-task-made = أنشأ وكيل { $group } المهمة { $number }: «{ $what }» (إلغاء { $number } ينهيها)
digest-task-failed = { $count ->
    [one] أخفقت المهمة { $number } في { $group }.
   *[other] عدد إخفاقات المهمة { $number } في { $group }: { $count }.
}
digest-task-paused = أخفقت المهمة { $number } في { $group } («{ $what }») مرارًا فعُلّقت: `doorward task resume { $number }`.
digest-more-tasks = وعدد غيرها { $count }: `doorward task list`
digest-drill = آخر تمرين كان في { $day }: لم يخرج شيء.
digest-drill-failed = آخر تمرين كان في { $day } وأخفق: شغّل `doorward drill`.
digest-no-drill = لم يُجرَ أي تمرين بعد: `doorward drill` يهاجم منظومتك نفسها.
digest-log = ينتهي السجل بالقيد { $record }. احفظ هذه البصمة في مكان آخر؛ يقبلها `doorward audit verify --head`:
digest-quiet = يوم هادئ: لم يُطلب شيء عند أي باب منذ { $since }.
digest-quiet-log = السجل: القيد { $record }، { $head }
digest-off = لن يأتي الملخص اليومي بعد الآن. كلمة "digest on" تعيده.
digest-on = يأتي الملخص كل يوم من جديد. كلمة "digest off" توقفه.

## ما للناس في المحادثة رأي فيه
people-notice = مرحبًا، أنا { $name }، مساعد أعدّه مالك هذه المحادثة. ما يُكتب هنا يقرؤه البرنامج على جهاز المالك ويُحفظ هناك؛ وحين يناديني أحد يذهب مع ما كُتب قبله إلى نموذج لغوي. يستطيع المالك قراءته. اكتب "@{ $name } ليس أنا" فلا يُحفظ منك شيء بعد ذلك، و"@{ $name } ماذا لديك عني" لتعرف ما حُفظ، و"@{ $name } انسني" ليُكتب فوقه.
people-not-me = من الآن لا يُحفظ شيء مما تكتبه هنا ولا يُقرأ للنموذج، ولا أستطيع أن أجيبك. ما حُفظ من قبل يبقى حتى تكتب "انسني". عبارة "أنا من جديد" تنهي ذلك.
people-me-again = يُحفظ ما تكتبه هنا ويُقرأ من جديد.
people-not-kept = طلبت ألا يُحفظ منك شيء، فلم أقرأ هذا. عبارة "أنا من جديد" تنهي ذلك.
people-have = المحفوظ منك: { $count ->
    [one] رسالة واحدة
   *[other] عدد الرسائل { $count }
} منذ { $since }، والاسم «{ $name }».
people-have-nothing = لم يُحفظ شيء مما كتبته هنا.
people-have-besides = يستطيع المالك قراءته. ما دوّنه المساعد بنفسه في ذاكرته ومحادثاته قد يذكرك أيضًا: اسأل المالك. كلمة "انسني" تكتب فوق ما حُفظ منك.
people-forgotten = كُتب فوق: { $count ->
    [one] رسالة واحدة
   *[other] عدد الرسائل { $count }
} منك، واسمك، وما اقتبسه غيرك منك. في السجل إيصال بلا اسمك. ما دوّنه المساعد بنفسه في ذاكرته ومحادثاته يستطيع المالك إزالته: اسأله.

## المهام
behind-a-task = تُنفَّذ المهمة { $number } أولًا. كلمة "stop" توقفها.
task-failed = أخفقت المهمة { $number } («{ $what }»): { $why }
task-tried = عدد المحاولات: { $count }.
task-not-repeated = خرج شيء من قبل، لذلك لا تُعاد؛ ويعرض `doorward audit` ما هو.
task-paused = أخفقت { $count } مرات متتالية، فعُلّقت. الأمر `doorward task resume { $number }` يستأنفها.
task-stopped = أُوقفت المهمة { $number } («{ $what }»).
when-once = في { $time }
when-every = كل { $time }
when-cron = وفق سطر cron «{ $line }»
when-daily = كل يوم في { $time }
when-weekdays = من الاثنين إلى الجمعة في { $time }
when-days = كل { $days } في { $time }
when-monthly = في اليوم { $day } من كل شهر في { $time }
day-and = { $first }، { $more }
day-monday = اثنين
day-tuesday = ثلاثاء
day-wednesday = أربعاء
day-thursday = خميس
day-friday = جمعة
day-saturday = سبت
day-sunday = أحد
gate-failed = أخفق الأمر الذي يسبقها: { $why }
task-made = من الآن أفعل هذا { $when } ({ $zone })، وهي المهمة { $number }: «{ $what }»
task-changed = تغيّرت المهمة { $number }. أفعل هذا { $when } ({ $zone }): «{ $what }»
task-gate = فقط إن وجد هذا الأمر شيئًا: «{ $command }»
task-cancel = لإيقافها أجب: إلغاء { $number }
task-paused-by-agent = عُلّقت المهمة { $number } («{ $what }»).
task-resumed-by-agent = تستمر المهمة { $number } («{ $what }»).
task-cancelled-by-agent = لن تُنفَّذ المهمة { $number } («{ $what }») بعد الآن.
task-by-other = أرادت المجموعة { $group } ذلك، ووافق المالك.
task-cancelled = أُلغيت المهمة { $number } («{ $what }»).
task-over = انتهت المهمة { $number } من قبل.
