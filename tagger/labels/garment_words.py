"""The words for kinds of garments in twenty languages, as shops write them.

Shoes, bags and what else a fashion shop sells are among them: all are told by their shape.
"""

GARMENTS: dict[str, str] = {
    "ar": """
        فستان قميص تيشيرت بنطلون سروال جينز تنورة جاكيت معطف سترة حذاء أحذية صندل حقيبة قبعة
        شورت بلوزة
        """,
    "cs": """
        šaty košile tričko kalhoty džíny sukně bunda kabát svetr mikina boty kabelka čepice
        šortky halenka ponožky kraťasy
        """,
    "da": """
        kjole skjorte tshirt bukser jeans nederdel jakke frakke trøje sko støvler taske hat
        bluse sokker kjoler skjorter jakker
        """,
    "de": """
        kleid kleider hemd hemden hose hosen rock röcke jacke jacken mantel mäntel pullover
        pulli bluse blusen schuh schuhe stiefel sandale sandalen tasche taschen mütze hut schal
        anzug anzüge socken strickjacke handtasche gürtel handschuhe badeanzug unterhose weste
        """,
    "en": """
        dress dresses shirt shirts tshirt tshirts tee trousers pants shorts jeans skirt skirts
        jacket jackets coat coats sweater sweaters jumper jumpers hoodie hoodies cardigan
        cardigans blouse blouses shoe shoes sneaker sneakers boot boots sandal sandals
        flipflops flops hat scarf bag bags handbag handbags backpack backpacks belt belts socks
        leggings jumpsuit kurta kurtas saree pyjamas bra bras bikini swimsuit sunglasses blazer
        blazers polo pullover tunic sweatshirt sweatshirts tracksuit waistcoat gloves stockings
        longsleeve watches earrings necklace bracelet sportswear outerwear underwear footwear
        undershirt
        """,
    "es": """
        vestido vestidos camisa camisas camiseta camisetas pantalón pantalones vaqueros falda
        faldas chaqueta chaquetas abrigo abrigos jersey sudadera blusa zapato zapatos
        zapatillas botas bolso bolsos sombrero gorra bufanda calcetines bañador
        """,
    "fr": """
        robe robes chemise chemises pantalon pantalons jupe jupes veste vestes manteau manteaux
        pull pulls chemisier chaussure chaussures bottes sandales sac sacs chapeau écharpe
        ceinture chaussettes maillot culotte baskets
        """,
    "hi": "पोशाक कमीज कमीज़ शर्ट पैंट जींस स्कर्ट जैकेट कोट जूते जूता साड़ी कुर्ता बैग टोपी",
    "it": """
        vestito vestiti abito abiti camicia camicie maglietta magliette maglia pantalone
        pantaloni gonna gonne giacca giacche cappotto maglione felpa scarpa scarpe stivali
        sandali borsa borse cappello sciarpa cintura calze
        """,
    "ja": """
        ワンピース ドレス シャツ ズボン パンツ ジーンズ スカート ジャケット コート セーター
        パーカー カーディガン ブラウス 靴 ブーツ サンダル バッグ 帽子 靴下 着物
        """,
    "ko": """
        원피스 드레스 셔츠 티셔츠 바지 청바지 스커트 치마 재킷 자켓 코트 스웨터 니트 후드
        블라우스 신발 부츠 샌들 가방 모자 양말 반바지
        """,
    "nl": """
        jurk jurken overhemd overhemden broek broeken rok rokken jas jassen trui truien vest
        blouse schoen schoenen laarzen sandalen tas tassen muts hoed sjaal sokken spijkerbroek
        """,
    "pl": """
        sukienka sukienki koszula koszule koszulka koszulki spodnie dżinsy spódnica spódnice
        kurtka kurtki płaszcz sweter swetry bluza bluzy bluzka buty kozaki sandały torebka
        torba czapka szalik skarpetki spodenki szorty
        """,
    "pt": """
        vestido vestidos camisa camisas camiseta camisetas calça calças saia saias casaco
        casacos jaqueta suéter moletom blusa sapato sapatos tênis botas sandálias bolsa bolsas
        chapéu boné bermuda meias
        """,
    "ru": """
        платье платья рубашка рубашки футболка футболки брюки джинсы юбка юбки куртка куртки
        пальто свитер кофта толстовка блузка обувь туфли ботинки сапоги кроссовки сандалии
        сумка сумки шапка шарф шорты носки
        """,
    "sv": """
        klänning klänningar skjorta skjortor tröja tröjor byxor byxa kjol kjolar jacka jackor
        kappa rock blus skor stövlar sandaler väska väskor mössa halsduk strumpor
        """,
    "tr": """
        elbise gömlek tişört pantolon etek ceket mont kaban kazak hırka bluz ayakkabı bot çizme
        sandalet çanta şapka atkı çorap
        """,
    "uk": """
        сукня сукні сорочка сорочки футболка футболки штани джинси спідниця спідниці куртка
        куртки пальто светр блузка взуття туфлі черевики чоботи кросівки сандалі сумка сумки
        шапка шарф шорти
        """,
    "zh": """
        连衣裙 裙子 裙 衬衫 襯衫 t恤 裤子 褲子 裤 牛仔裤 短裤 夹克 外套 大衣 毛衣 卫衣 鞋 鞋子
        靴子 凉鞋 包 手提包 帽子 围巾 袜子
        """,
}
"""Language to the words that surely are a kind of garment, shoe or bag."""

JOINING = ("da", "de", "nl", "sv")
"""Languages whose words end with the thing that they are: a `Sommerkleid` is a `kleid`."""
