"""Domains at which anybody gets an address: such a domain says nothing about a company."""

FREE_MAIL = frozenset(
    (
        *(
            "gmail.com",
            "googlemail.com",
            "outlook.com",
            "hotmail.com",
            "live.com",
            "msn.com",
            "outlook.de",
            "hotmail.de",
        ),
        *("hotmail.co.uk", "hotmail.fr", "hotmail.it", "hotmail.es", "live.co.uk", "live.fr", "live.nl", "outlook.fr"),
        *("yahoo.com", "yahoo.co.uk", "yahoo.co.jp", "yahoo.co.in", "yahoo.com.br", "yahoo.de", "yahoo.fr", "yahoo.es"),
        *("yahoo.it", "yahoo.com.cn", "yahoo.cn", "ymail.com", "rocketmail.com", "aol.com", "aim.com", "icloud.com"),
        *("me.com", "mac.com", "proton.me", "protonmail.com", "pm.me", "tutanota.com", "tuta.io", "fastmail.com"),
        *("gmx.com", "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "t-online.de", "freenet.de", "mail.com"),
        *("zoho.com", "yandex.com", "yandex.ru", "ya.ru", "mail.ru", "bk.ru", "inbox.ru", "list.ru", "rambler.ru"),
        *("qq.com", "vip.qq.com", "foxmail.com", "163.com", "vip.163.com", "126.com", "yeah.net", "sina.com"),
        *("sina.cn", "vip.sina.com", "sohu.com", "tom.com", "21cn.com", "139.com", "189.cn", "wo.cn", "aliyun.com"),
        *("naver.com", "daum.net", "hanmail.net", "rediffmail.com", "uol.com.br", "bol.com.br", "terra.com.br"),
        *("orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "libero.it", "virgilio.it", "tiscali.it"),
        *("ziggo.nl", "kpnmail.nl", "planet.nl", "comcast.net", "verizon.net", "att.net", "sbcglobal.net", "cox.net"),
        *("btinternet.com", "sky.com", "virginmedia.com", "bigpond.com", "optusnet.com.au", "seznam.cz", "wp.pl"),
        *("o2.pl", "onet.pl", "interia.pl", "abv.bg", "ukr.net", "mailinator.com", "guerrillamail.com", "yopmail.com"),
    )
)
