"""The regions of the two clouds. An operator adds new ones with the template's parameter MoreRegions.

Sources: the region lists of Tencent Cloud (document/api/213/15692) and of Alibaba Cloud (document_detail/40654); for
Tencent's API 2.0, its short codes (cloud.tencent.com/document/api/386, "Common request parameters").
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TENCENT = _names("""
    ap-bangkok ap-beijing ap-beijing-fsi ap-changsha-ec ap-chengdu ap-chongqing ap-fuzhou-ec ap-guangzhou
    ap-guangzhou-open ap-hangzhou-ec ap-hefei-ec ap-hongkong ap-jakarta ap-jinan-ec ap-mumbai ap-nanjing ap-osaka
    ap-qingyuan ap-seoul ap-shanghai ap-shanghai-adc ap-shanghai-fsi ap-shenyang-ec ap-shenzhen ap-shenzhen-fsi
    ap-shijiazhuang-ec ap-singapore ap-taipei ap-tianjin ap-tokyo ap-wuhan-ec ap-xian-ec ap-xibei-ec ap-zhengzhou-ec
    ap-zhongwei eu-frankfurt eu-moscow me-saudi-arabia na-ashburn na-siliconvalley na-toronto sa-saopaulo
""")

TENCENT_SHORT = _names("bj ca cd cq de gz gzopen hk in jp kr ru sg sh shjr szjr th tpe usw use")
"""What API 2.0 calls regions; newer pages of it use the long names as well."""

ALIBABA = _names("""
    ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-5 ap-southeast-6
    ap-southeast-7 cn-beijing cn-beijing-finance-1 cn-chengdu cn-fuzhou cn-guangzhou cn-hangzhou cn-hangzhou-finance
    cn-heyuan cn-heyuan-acdr-1 cn-hongkong cn-huhehaote cn-nanjing cn-north-2-gov-1 cn-qingdao cn-shanghai
    cn-shanghai-finance-1 cn-shenzhen cn-shenzhen-finance-1 cn-wuhan-lr cn-wulanchabu cn-zhangjiakou cn-zhengzhou-jva
    eu-central-1 eu-west-1 me-central-1 me-east-1 na-south-1 us-east-1 us-southeast-1 us-west-1
""")


def of(cloud: str, *, short: bool = False) -> frozenset[str]:
    """The regions of a cloud; ``short``: as API 2.0 writes them, too."""
    if cloud == "alibaba":
        return ALIBABA
    return TENCENT | TENCENT_SHORT if short else TENCENT
