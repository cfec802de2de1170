"""The five sections of her2st that this project was tested on: path, bytes, SHA-256."""

Pin = tuple[str, int, str]

# section -> image, counts, spots
PINNED: dict[str, tuple[Pin, Pin, Pin]] = {
    "B4": (
        (
            "ST-imgs/B/B4/BT10737_D2_HE.jpg",
            4_076_552,
            "3cb165614ce2a13426381e450220dccac980cc9bda6a90fb041c28ca0e2c753d",
        ),
        (
            "ST-cnts/B4.tsv.gz",
            563_881,
            "e38231c2a38c9bc7e6d550eec0e527c1869ee0e525fc913e708d1323c34f5ebb",
        ),
        (
            "ST-spotfiles/B4_selection.tsv",
            10_560,
            "192b46f3ca414c85753a01a4fb5760a697ca6c0a1aadb949c4687cc6efa9faa0",
        ),
    ),
    "C2": (
        (
            "ST-imgs/C/C2/5714_HE_BT_C2.jpg",
            3_990_230,
            "26e2f73ae840cdd46c5bba405aae181f13a56a376b9848dff23f7a9c5de7f19e",
        ),
        (
            "ST-cnts/C2.tsv.gz",
            821_408,
            "c1c59ea6cffae36b9ecb561b8e2a97e3aa5f4085f748e991a0e330ed9d09773d",
        ),
        (
            "ST-spotfiles/C2_selection.tsv",
            7_053,
            "235b5f4306b3b57c628ffc82c98c7109602474fbcc79a917b9c50517f99b6b1c",
        ),
    ),
    "C3": (
        (
            "ST-imgs/C/C3/5714_HE_BT_D1.jpg",
            3_915_842,
            "0005a92674014d473040a28f0afca89ce5fa5c44019b479b638ceb3272ceb568",
        ),
        (
            "ST-cnts/C3.tsv.gz",
            847_901,
            "e00c55a3eb9caac5d9c71b8906aae8be8b38f93e23938f4a0ebee17683ef6a2a",
        ),
        (
            "ST-spotfiles/C3_selection.tsv",
            6_728,
            "7fd76c13370b7804ac3bb377b846d22485cf9223f9dd8dfc25be06e5aaf65755",
        ),
    ),
    "C4": (
        (
            "ST-imgs/C/C4/5714_HE_BT_D2.jpg",
            3_806_070,
            "f40607eb1d5f0d125decd71c48b0c5d29cf6776ad92297fd185631208c82d6f2",
        ),
        (
            "ST-cnts/C4.tsv.gz",
            886_246,
            "33201f76d41d7131dc600a0f87d9a70383af3503e81698b4d11e6f2e8d73e9da",
        ),
        (
            "ST-spotfiles/C4_selection.tsv",
            6_960,
            "47e79f3b9dbfa3a8c18af9e948ba7ba4bf0a75ea1b4c292bc714ced7d0917d4c",
        ),
    ),
    "C5": (
        (
            "ST-imgs/C/C5/5714_HE_BT_E1.jpg",
            3_719_130,
            "34028ea41e376396b50c42b0a11a7e689c85be4a8022e668d0a09cc128c04c65",
        ),
        (
            "ST-cnts/C5.tsv.gz",
            845_308,
            "c0f310315ca6110d74dbdf7011e5b42432ba0b8eb5f001824764911988f39338",
        ),
        (
            "ST-spotfiles/C5_selection.tsv",
            6_802,
            "2114cc3b4da759772112897f1e247d5443c9f8c808e6a9a952eb4fda379a194c",
        ),
    ),
}
