"""The words for colors in twenty languages, as shops write them.

What is a fruit, a flower, a metal or a dish too stands apart: such a word alone says nothing.
"""


def _inflected(stems: str, endings: str) -> str:
    """Return every stem with every ending; `-` is no ending."""
    ends = ["" if end == "-" else end for end in endings.split()]
    return " ".join(stem + end for stem in stems.split() for end in ends)


COLORS: dict[str, str] = {
    "ar": """
        أسود سوداء أبيض بيضاء أحمر حمراء أزرق زرقاء أخضر خضراء أصفر صفراء بني بنية رمادي رمادية
        بنفسجي بنفسجية وردي وردية بيج كحلي كحلية
        """,
    "cs": _inflected("čern červen zelen žlut hněd šed modr bíl růžov fialov béžov", "ý á é")
    + " tyrkysový tyrkysová tyrkysové bordó",
    "da": """
        sort sorte hvid hvide rød røde roed blå blaa grøn grønne groen gul gule brun brune grå
        graa grålig lilla lyserød
        """,
    "de": _inflected("schwarz weiß weiss rot blau grün gruen gelb braun grau violett", "- e er es")
    + " lila beige türkis tuerkis anthrazit cremeweiß magenta",
    "en": """
        black white red blue green yellow brown grey gray pink purple violet beige navy
        turquoise teal maroon burgundy khaki ivory ecru magenta fuchsia cyan lilac charcoal
        taupe indigo crimson scarlet azure mauve tan multicolor multicolour multicolored
        multicoloured
        """,
    "es": _inflected("negr blanc roj amarill morad rosad", "o a os as")
    + " azul azules verde verdes marrón marrones gris grises burdeos violeta turquesa fucsia",
    "fr": _inflected("noir bleu vert brun gris", "- e s es")
    + """ blanc blanche blancs blanches rouge rouges jaune jaunes violet violette violets
        violettes bordeaux écru kaki ivoire anthracite fuchsia
        """,
    "hi": """
        काला काली काले सफेद सफ़ेद लाल नीला नीली नीले हरा हरी हरे पीला पीली पीले भूरा भूरी भूरे
        स्लेटी बैंगनी गुलाबी
        """,
    "it": _inflected("ner bianc ross giall grigi azzurr", "o a i e")
    + " bianchi bianche grigie grigi blu verde verdi marrone marroni arancione turchese bordò",
    "ja": """
        黒 黒い 白 白い 赤 赤い 青 青い 緑 黄色 黄色い 黄 茶色 灰色 紫 紺 水色 桃色 ブラック
        ホワイト レッド ブルー グリーン イエロー ブラウン グレー パープル ピンク ベージュ
        ネイビー カーキ
        """,
    "ko": """
        검정 검은 블랙 흰 하얀 화이트 빨강 빨간 레드 파랑 파란 블루 초록 녹색 그린 노랑 노란
        옐로우 갈색 브라운 회색 그레이 보라 퍼플 분홍 핑크 주황 베이지 네이비 남색 카키
        """,
    "nl": """
        zwart zwarte wit witte rood rode blauw blauwe groen groene geel gele bruin bruine grijs
        grijze paars paarse roze
        """,
    "pl": _inflected(
        "czarn biał czerwon zielon żółt brązow szar fioletow różow beżow granatow bordow kremow "
        "błękitn turkusow pomarańczow",
        "y a e",
    )
    + " niebieski niebieska niebieskie granat",
    "pt": _inflected("pret branc vermelh amarel castanh rox", "o a os as")
    + " azul azuis verde verdes marrom cinza cinzento cinzenta bege turquesa bordô",
    "ru": _inflected("чёрн бел красн желт зелен коричнев сер фиолетов розов бежев", "ый ая ое ые")
    + """ синий синяя синее синие голубой голубая голубое голубые бордовый бордовая хаки
        оранжевый оранжевая бирюзовый бирюзовая
        """,
    "sv": """
        svart svarta vit vita röd röda blå blåa grön gröna gul gula brun bruna grå gråa
        marinblå vinröd turkos
        """,
    "tr": """
        siyah beyaz kırmızı mavi yeşil sarı kahverengi gri mor pembe turuncu bej
        lacivert bordo haki turkuaz ekru antrasit
        """,
    "uk": _inflected("чорн біл червон зелен жовт коричнев сір фіолетов рожев бежев", "ий а е і")
    + " синій синя синє сині блакитний блакитна помаранчевий помаранчева",
    "zh": """
        黑 黑色 白 白色 红 红色 紅色 蓝 蓝色 藍色 绿 绿色 綠色 黄 黄色 黃色 棕色 灰 灰色 紫
        紫色 粉色 粉红 褐色 米色 卡其 藏青
        """,
}
"""Language to the words that surely are a color, as fashion names it."""

AMBIGUOUS = """
    orange orangen naranja laranja arancio oranje oranžový oranžová rose rosa rosé rosy
    mint menta minze menthe olive oliv oliva oliven olivgrün peach pesca pfirsich coral koralle
    corail coral salmon lachs saumon cream creme crème crema krem plum pflaume prune cherry
    kirsche berry beere lemon zitrone citron lime limette lavender lavendel lavande chocolate
    schoko chocolat coffee kaffee café mocca mokka caramel karamell camel sand sable stone
    stein nude skin haut wine wein vin vinho vino rust rost rouille copper kupfer bronze gold
    golden oro or dourado dorado silver silber argent argento plata prata srebrny złoty gümüş
    altın ذهبي فضي برتقالي jade emerald smaragd ruby rubin sapphire saphir aubergine apricot
    aprikose mustard senf moutarde denim rainbow multi bunt metallic metal steel stahl petrol
    cognac honey honig ocean sky ice ash ink cachi caqui viola porpora celeste crudo granate
    オレンジ ゴールド シルバー オリーブ ワイン 茶 金色 銀色 橙 橙色 橘色 金 银色 咖啡 咖啡色
    골드 실버 오렌지 नारंगी सुनहरा
    """
"""Words that are a color and something else too."""

MODIFIERS = """
    dark light bright pale deep pastel neon soft medium mid off royal dusty heather heathered
    melange mélange mottled washed vintage matt matte shiny baby hot electric marine forest
    bottle midnight and with dunkel dunkle dunkles hell helles helle mittel meliert tief zart
    kräftig glänzend himmel flaschen königs tauben nacht wollweiß und mit foncé foncée clair
    claire pâle vif chiné roi canard bouteille nuit ciel et scuro scura chiaro chiara oscuro
    oscura claro clara marino escuro escura marinho e y con com donker donkere licht lichte en
    met mörk mörkt mörka ljus ljust ljusa marin och mørk mørke lys lyse og ciemny ciemna ciemno
    jasny jasna jasno i tmavý tmavá tmavě světlý světlá světle a тёмно тёмный тёмная светло
    светлый светлая и темний темна світлий світла світло та koyu açık ve فاتح داكن غامق و गहरा
    गहरी हल्का हल्की और 深 浅 淡 暗 亮 濃 薄 明 ダーク ライト 진한 진 연한 연 짙은 밝은 어두운
    """
"""Words that may stand beside a color, or in front of it in one word with it."""
