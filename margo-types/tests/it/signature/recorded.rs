//! Headers recorded once, made with the keys beside this file by the `openssl` program, not by the code under test.
//!
//! The request is `POST https://wfm.example.test/api/v1/clients/c-01/capabilities` with the body `{"hello": "margo"}`,
//! for `COMMON_GET` a `GET` of `…/deployments` without one.

/// `Signature-Input` and `Signature`.
pub(super) type Recorded = (&'static str, &'static str);

pub(super) const COMMON_POST: Recorded = (
    r#"sig1=("@method" "@target-uri" "@authority" "content-digest");created=1735689600;keyid="5fde4a0c03121b51c65c3185cdb0fbd460c46e5bf33f4ba6cdb5d9a6390c4025";alg="ed25519""#,
    "sig1=:lKxy38S9hGicQKqLPf2ckY3Y36Ds6j+GBlZYMT0awnz8G9ggZEzIZuWsSJnYQts6eAZfdDEKIrqi9P9eTfEhDg==:",
);

pub(super) const COMMON_GET: Recorded = (
    r#"sig1=("@method" "@target-uri" "@authority");created=1735689600;keyid="5fde4a0c03121b51c65c3185cdb0fbd460c46e5bf33f4ba6cdb5d9a6390c4025";alg="ed25519""#,
    "sig1=:g8hIgQnUXgAzXuksrNxKeiZ3Kkx8f69373PRi8vVgB/EEHrK30T90aG9Ty56fHM6yj2f11KsUaRtqek4BQcdBA==:",
);

pub(super) const COMMON_RSA: Recorded = (
    r#"sig1=("@method" "@target-uri" "@authority" "content-digest");created=1735689600;keyid="a6d07d49e99b39b977dcbdbfdcaf11c03396049ebce79ad355cb714903baff9d";alg="rsa-v1_5-sha256""#,
    "sig1=:U94WYDgz55kye3V/lzXYjyfpa18WBb5lvxj8IEQb+9VsYyGJQbxBr3j+DOavWZGSZdiBMwFsIWixNvFob9smVnsDBI92rtrFpKp+UvsiQuK0gamXS5ItU5FuibdcILy7OJ6Yj06ZOJxpdOKL1NzsDWbiUDnBAUfZmqW1Jm2aEKnkxi90K40nWjXiBWAWNxy4j3EX2WCaUYWZab4tERRNTJ2ELH+9iaRZPpkyG1KHVwEAPuMSOCodr927uakf0pRXbym+2wpcIYKG2M77VWE2fDh7emM5zdxWenuRDG/vy/sj3yLHDfMJjJeeHj7tyvkGo2/DwN0Ss9rb/4ORvJrwNg==:",
);

pub(super) const SYMPHONY_ED: Recorded = (
    r#"sig=("@method" "@target-uri" "@authority");created=1735689600;keyid="5fde4a0c03121b51c65c3185cdb0fbd460c46e5bf33f4ba6cdb5d9a6390c4025""#,
    "sig=:n2uPms24A9yRbsI+C2gjLSSYwe+BCbJLpLLv7Uk//qApkyzTAEs1Q1maZkrd2NHXbymt2UKlmwhtcMqwvr57CQ==:",
);

pub(super) const SANDBOX_ED: Recorded = (
    r#"sig=("@method" "@target-uri" "@authority" "content-digest");created=1735689600;keyid="5fde4a0c03121b51c65c3185cdb0fbd460c46e5bf33f4ba6cdb5d9a6390c4025""#,
    "sig=:HE9VNuzJC7BMRTUwSp/dvG17m7vQUtwkFkDAeGAAUVJTuTvhVsZBepMmBmpI2Z4OKBK4WgvXx2lSnWSIO9fVBA==:",
);

pub(super) const SYMPHONY: Recorded = (
    r#"sig=("@method" "@target-uri" "@authority");created=1735689600;keyid="8a2b16fcf1639e7dd7deb53dd2f3fabbbf03e98160575ed4be9c3dcce966d9a1""#,
    "sig=:dnCu7MbKkiVLr/fSuBRDLn67VqML7NU5rWuyxlE53/s8Qmi5iJKHG8fnwpfJqqrm82nGjoXxVpKR/NbrO4t5Wg==:",
);

pub(super) const SYMPHONY_RSA: Recorded = (
    r#"sig=("@method" "@target-uri" "@authority");created=1735689600;keyid="a6d07d49e99b39b977dcbdbfdcaf11c03396049ebce79ad355cb714903baff9d""#,
    "sig=:SdO7LuqDGCTPnRyISPrZcj5Zj3r6nuGiXdWXqIzzaFy9Igk7uJ3NDN2obW20RqyeYKAQFrOBaFR940/txzMU8lJh5syD87N9vBZ/HwbdhZ27MPwG8rLcyfyag9zGAD9wN+EXfxb3z/6etybSvLLwaMK7XYvGFPo0PVMs1JT4tFL6bOoS2zmMuqE12UlntspuRqfQvr4u1vwPlQtWHE4mk+JfaF8iwmJpmt5TkP98/TAPimCCyFkMD0c/3Eh/B8IuqJ1qlvPqubB51KKVIP9iFOrcWHmKwY08xHxjGWAE+WoHlIyGIbY8sRi5ApHggvYS0ZCAIrMHSXqbraV+uwO6WA==:",
);

pub(super) const SANDBOX: Recorded = (
    r#"sig=("@method" "@target-uri" "@authority" "content-digest");created=1735689600;keyid="9423b4f23a0e90f84b7d7af45624888f6245397cf19c613d263515bdfdc3c835""#,
    "sig=:y4nxwosjF2wFvWxl3KEenNOL5eBFiX3Tr4FxMiO7D/ugjH90Js5ltmKo0ke1NMyOzJe0to5Wiaxeqi2hZ/ZWawaABP6KGiNra2tVJf8aB6hz0bXcwECg1Dkip9HHas0a:",
);

pub(super) const PSS_SHA256: Recorded = (
    r#"sig1=("@method" "@target-uri" "content-digest");created=1735689600;keyid="a6d07d49e99b39b977dcbdbfdcaf11c03396049ebce79ad355cb714903baff9d";alg="rsa-pss-sha256""#,
    "sig1=:iK2VI28Aym0XhfxP5av7agIrGHOm+JGrhANKsUvx1TmMEFyt+f0uIjpm2AJRLveXHiKYNqBCxvNfBQnSqjDHNxTReytzGC0DiQdlXuoXYGC+k+vagq+miIGI9pU0i5pBmrD18xRQwK4XLqSiOqSx9N4wnz0rPrV8umlR72dg9KSQTsg5byolXVrl0P+aZCFW6YEBBRAdozOOWFhjOAnJm4z/zIFobIrl1Lih/i/QSyYDHqfwOVgYij8nRQLiwSdRoHKallCfmPP+640bPHM183vJxt1XCkEX+cPcFtFJw3BcA0jq3xrHco0RBl+INfWfF0Gfo9WGGQd6O3hBZqwEnw==:",
);

pub(super) const TEMPLATE: Recorded = (
    r#"sig1=("@method" "@target-uri" "Content-Digest");created=1735689600;keyid="my-rsa-key""#,
    "sig1=:YQjs5nAVp8dSujl1HO80anIItHQg4xvjZ4AXZRL2dWwFs8Ozh0QJouqujNLa4jjjHYYwsRavl4wvkJIGmAx1wZEwxgrJ9BpQvUfgNG6d+QEJIDFvJoLDaqHr1r9UizBpsabHK+R0n9k+3+wNTDxqvXkMLZZYtPAZvdtdoT4rMoUHvx+ZKGCDWJQQslIrzHOjqvbGHt9nLUUDAmiGzQFfIIjWyAjDIRn4IzUGqLn9PObb86UKPzJxPr0/Ew2vWHM9xUcJKX8+5cb3hIkWJhsN/CNqoitc5jSeKjRyjmmU486t2iNWCgmOsYdxOz/mORINe3Sy0C+eyElWc1Sz4vVOJw==:",
);
