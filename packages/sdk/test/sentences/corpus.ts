/** Real text, and answers as models write them. */
export const CORPUS: Readonly<Record<string, string>> = {
  luXun:
    '鲁镇的酒店的格局，是和别处不同的：都是当街一个曲尺形的大柜台，柜里面预备着热水，可以随时温酒。做工的人，傍午傍晚散了工，每每花四文铜钱，买一碗酒，——这是二十多年前的事，现在每碗要涨到十文，——靠柜外站着，热热的喝了休息；倘肯多花一文，便可以买一碟盐煮笋，或者茴香豆，做下酒物了。孔乙己是站着喝酒而穿长衫的唯一的人。他们又故意的高声嚷道，“你一定又偷了人家的东西了！”孔乙己睁大眼睛说，“你怎么这样凭空污人清白……”“什么清白？我前天亲眼见你偷了何家的书，吊着打。”',
  hongLouMeng:
    '此开卷第一回也。作者自云：因曾历过一番梦幻之后，故将真事隐去，而借“通灵”之说，撰此《石头记》一书也。故曰“甄士隐”云云。但书中所记何事何人？自又云：“今风尘碌碌，一事无成，忽念及当日所有之女子，一一细考较去，觉其行止见识，皆出于我之上。何我堂堂须眉，诚不若彼裙钗哉？实愧则有余，悔又无益之大无可如何之日也！”',
  alice:
    'Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, “and what is the use of a book,” thought Alice “without pictures or conversations?” So she was considering in her own mind (as well as she could, for the hot day made her feel very sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the trouble of getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by her. There was nothing so very remarkable in that; nor did Alice think it so very much out of the way to hear the Rabbit say to itself, “Oh dear! Oh dear! I shall be late!”',
  weather:
    '好的，我来帮您查一下。北京今天（11月22日）晴，气温3.5～12℃，西北风2级，空气质量指数46，属于优。紫外线较弱，适合外出。不过早晚温差大，出门记得带一件外套哦！😊 需要我把明天的天气也告诉您吗？',
  howTo:
    '# 重置设备\n\n请按下面的步骤操作：\n\n1. 长按**电源键**10秒，直到指示灯变红。\n2. 打开 App，进入“设置 → 设备管理”。\n3. 点击 `恢复出厂设置`，然后确认。\n\n```bash\nferry reset --device 42\necho "done. really?"\n```\n\n> 注意：这会清除所有数据！\n\n更多信息见[帮助中心](https://help.example.cn/a?id=1&x=2)。',
  mixed:
    'OpenAI 的 GPT-4.1 在 2025 年 4 月发布，支持 1,000,000 个 token 的上下文。你可以用 Node.js 调用它：先运行 npm install openai，再设置 OPENAI_API_KEY。Dr. Wang 说："It works well, e.g. for long documents." 价格是每百万 token $2.00，比 U.S. 的平均价格低。See https://openai.com/pricing?lang=zh. 还有问题吗？',
  english:
    "Sure! Here's how it works. Mr. J. R. Smith paid $3.50 at 5 p.m. on Jan. 5, i.e. before the deadline. The U.S. Army bought 1,200 units vs. 900 last year. Is that right? Yes... I think so. See Fig. 3 and https://example.com/a.b?c=d. It's 3 * 4 = 12!",
  table:
    '下面是对比：\n\n| 模型 | 价格 |\n| --- | --- |\n| **快** | ¥1.5 |\n| 慢 | ¥0.5 |\n\n- [x] 已完成\n- 未完成\n\n---\n\n结论：选快的。',
  poem: '床前明月光\n疑是地上霜\n举头望明月\n低头思故乡',
  list: '推荐以下三款：\n- **A款**：轻便，299元；\n- **B款**：续航长，399元；\n- **C款**：性价比高，199元。\n您更看重哪一点呢？',
}
