"""Values that so many institutions hold for good reasons that meeting over them means nothing: a warning list by type.

Kept by hand, as facts that the named bodies or companies publish; looked through on LISTED_ON. A value stands here in
its canonical form. What stands here is kept back from an upload unless the member says otherwise (docs/adr/0043); it is
not refused, for a member may mean it.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.terms import IndicatorType

LISTED_ON = "2026-11-30"

_MAIL = """
gmail.com outlook.com hotmail.com hotmail.co.uk hotmail.fr hotmail.de hotmail.it hotmail.es live.com live.co.uk live.fr
msn.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.co.in yahoo.com.br ymail.com rocketmail.com
aol.com icloud.com me.com mac.com gmx.com gmx.net gmx.de gmx.at gmx.ch web.de t-online.de freenet.de mail.com mail.ru
inbox.ru list.ru bk.ru yandex.ru yandex.com ya.ru rambler.ru protonmail.com proton.me pm.me tutanota.com tuta.com
zoho.com fastmail.com qq.com 163.com 126.com sina.com foxmail.com naver.com daum.net hanmail.net orange.fr wanadoo.fr
free.fr
laposte.net sfr.fr libero.it virgilio.it tiscali.it alice.it btinternet.com sky.com talktalk.net virginmedia.com
ntlworld.com blueyonder.co.uk eircom.net comcast.net verizon.net att.net sbcglobal.net bigpond.com uol.com.br
bol.com.br terra.com.br
rediffmail.com seznam.cz centrum.cz wp.pl o2.pl onet.pl interia.pl abv.bg ukr.net i.ua
"""
MAIL_PROVIDERS = frozenset(_MAIL.split())
"""Hosts at which anybody may have an address."""
_SITES = """
google.com google.co.uk youtube.com facebook.com instagram.com whatsapp.com twitter.com x.com tiktok.com linkedin.com
snapchat.com pinterest.com reddit.com wikipedia.org amazon.com amazon.co.uk amazon.de ebay.com ebay.co.uk apple.com
microsoft.com netflix.com paypal.com stripe.com revolut.com wise.com vinted.com gumtree.com airbnb.com booking.com
uber.com deliveroo.co.uk telegram.org discord.com signal.org skype.com zoom.us vk.com ok.ru baidu.com yandex.net
binance.com coinbase.com kraken.com etherscan.io blockchain.com gov.uk hmrc.gov.uk service.gov.uk nhs.uk royalmail.com
"""
_SHARED = """
t.me wa.me bit.ly tinyurl.com goo.gl ow.ly is.gd t.co rebrand.ly cutt.ly rb.gy lnkd.in youtu.be linktr.ee github.io
github.com gitlab.io pages.dev workers.dev web.app firebaseapp.com appspot.com herokuapp.com netlify.app vercel.app
blogspot.com wordpress.com wixsite.com weebly.com squarespace.com myshopify.com webflow.io godaddysites.com
sites.google.com docs.google.com drive.google.com forms.gle googleusercontent.com onedrive.live.com 1drv.ms dropbox.com
sharepoint.com azurewebsites.net windows.net cloudfront.net amazonaws.com s3.amazonaws.com cloudflare.com ngrok.io
ngrok-free.app duckdns.org no-ip.org ddns.net r2.dev ipfs.io telegra.ph medium.com notion.site discord.gg
"""
_SUFFIXES = """
co.uk org.uk gov.uk ac.uk ltd.uk plc.uk me.uk com.au net.au co.nz co.za com.br com.cn com.tr com.ua com.pl co.in co.jp
co.kr com.mx com.sg com.hk com.my co.il com.ar com.co uk.com us.com eu.com gb.net de.com
"""

_SHARED_HOST = "many share this host: only the path of the link says whose it is, and there is no type for links yet"
_REASONS: tuple[tuple[IndicatorType, str, str], ...] = (
    (IndicatorType.DOMAIN, "a public mail provider's domain", _MAIL),
    (IndicatorType.DOMAIN, "a site that nearly everybody uses", _SITES),
    (IndicatorType.DOMAIN, _SHARED_HOST, _SHARED),
    (IndicatorType.DOMAIN, "names are registered below it; it is nobody's own", _SUFFIXES),
    (
        # GOV.UK, "Pay your Self Assessment tax bill", "Pay your VAT bill" and its likes; from abroad as IBANs.
        IndicatorType.BANK_ACCOUNT,
        "a collection account of HM Revenue and Customs, which every bank's customers pay to",
        "08321012001039 08321012001020 08320011963155 20114770297690 20114783977692",
    ),
    (
        IndicatorType.WALLET,
        "an address that nobody has the key of, where coins are destroyed",
        "0x000000000000000000000000000000000000dead 1111111111111111111114oLvT2 1BitcoinEaterAddressDontSendf59kuE",
    ),
    (
        IndicatorType.WALLET,
        "the contract of a coin that nearly everybody uses, not somebody's wallet",
        "0xdac17f958d2ee523a2206206994597c13d831ec7 0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
        " 0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2 TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    ),
)

COMMON: Mapping[tuple[str, str], str] = {
    (kind.value, value): reason for kind, reason, values in reversed(_REASONS) for value in values.split()
}
"""Why a value is kept back, by type and canonical form."""
