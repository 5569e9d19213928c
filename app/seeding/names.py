"""What people, firms, streets and houses are called. Firms are made up; public bodies are called as such bodies are."""

from random import Random

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任沈"
    "姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀英华平刚桂兰玲红霞飞燕斌宇浩凯健俊帆雪琳晨阳欣怡佳慧建国志海鹏文"
    "婷旭瑞宁博睿思远嘉诚一鸣子涵梓轩雨桐"
)
STREETS = (
    "人民路", "中山路", "解放路", "建设路", "和平路", "文化路", "新华路", "胜利路", "光明路", "迎宾路",
    "学院路", "滨江路", "环城东路", "环城西路", "工业大道", "科技大道", "振兴路", "朝阳路", "长江路",
    "黄河路", "团结路", "东风路", "民主路", "青年路", "育才路", "富强路", "幸福路", "友谊路", "天目山路",
    "文一西路", "古墩路", "湖滨路", "西环路", "站前路", "府前街", "南大街", "北大街", "西大街", "东大街",
    "桃源路", "兴业路", "创业路", "金融街", "锦绣路", "玉泉路", "龙山路", "凤凰路", "紫荆路", "梅园路",
    "沿河路",
)  # fmt: skip
ESTATES = (
    "锦绣花园", "阳光花园", "翠苑小区", "丽景苑", "金色家园", "书香名邸", "滨河小区", "幸福里", "春江花月",
    "东方新城", "世纪花园", "碧水湾", "御景园", "和谐家园", "绿洲花园", "盛世名门", "康居小区", "文景苑",
    "桃李园", "南湖新村",
)  # fmt: skip
BRAND_FIRST = "恒华金瑞鑫宏天盛嘉泰永德福兴安信利达顺昌源润丰康龙祥博远"
BRAND_SECOND = "达丰源通泰鑫盛和诚昌隆茂宇腾辉邦润佳伟美康宁峰汇兴旺"
REMARKS = (
    "请上午送检，急用",
    "仪器较重，请派人现场检定",
    "现场需佩戴安全帽，请提前联系",
    "与上次同批器具，一并检定",
    "请在停产检修期间进行",
    "周末可安排，请电话联系",
    "请检定后粘贴合格标志",
    "证书上的单位名称请与预约单一致",
    "证书请邮寄",
    "有效期将至，请尽快安排",
)


def person(dice: Random) -> str:
    """A full name of two or three characters."""
    length = 1 if dice.random() < 0.3 else 2
    return dice.choice(SURNAMES) + "".join(dice.choice(GIVEN) for _ in range(length))


def people(dice: Random, count: int) -> list[str]:
    """Different full names."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[person(dice)] = None
    return list(found)


def phone(dice: Random) -> str:
    return dice.choice(("13", "15", "18", "17", "19")) + f"{dice.randrange(10**9):09d}"


def brand(dice: Random) -> str:
    return dice.choice(BRAND_FIRST) + dice.choice(BRAND_SECOND)


def address(dice: Random, region: str) -> str:
    return f"{region}{dice.choice(STREETS)}{dice.randrange(1, 900)}号"


def short(region_name: str) -> str:
    """What a region is called within the name of a firm: 杭州市 is 杭州, 延边朝鲜族自治州 is 延边."""
    for ending in ("自治区", "自治州", "自治县", "地区", "新区", "林区", "盟", "市", "省", "区", "县"):
        if region_name.endswith(ending) and len(region_name) - len(ending) >= 2:
            return region_name.removesuffix(ending)
    return region_name
