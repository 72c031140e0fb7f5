use super::*;

fn fits(text: &str, password: &[u8]) -> bool {
    Imported::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).fits(password)
}

const TABLE: &[u8] = "t\u{e1}\u{411}\u{2113}\u{259}".as_bytes();

/// Published vectors of bcrypt: of John the Ripper, `crypt_blowfish` and jBCrypt.
const BCRYPT: [(&[u8], &str); 14] = [
    (b"U*U*U*U*", "$2a$05$c92SVSfjeiCD6F2nAD6y0uBpJDjdRkt0EgeC4/31Rf2LUZbDRDE.O"),
    (b"U*U***U", "$2a$05$WY62Xk2TXZ7EvVDQ5fmjNu7b0GEzSzUXUh2cllxJwhtOeMtWV3Ujq"),
    (b"", "$2a$05$Otz9agnajgrAe0.kFVF9V.tzaStZ2s1s4ZWi/LY4sw2k/MTVFj/IO"),
    (b"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (b"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    (b"\xa3", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
    (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
    (b"\xff\xa3345", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e"),
    (b"\xa3ab", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.6IflQkJytoRVc1yuaNtHfiuq.FRlSIS"),
    (b"\xd1\x91", "$2y$05$6bNw2HLQYeqHYyBfLMsv/OUcZd0LKP39b87nBw3.S2tVZSqiQX6eu"),
    (b"", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
    (b"abc", "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi"),
    (TABLE, "$2a$05$Z17AXnnlpzddNUvnC6cZNOSwMA/8oNiKnHTHTwLlBijfucQQlHjaG"),
    (TABLE, "$2b$05$Z17AXnnlpzddNUvnC6cZNOSwMA/8oNiKnHTHTwLlBijfucQQlHjaG"),
];

/// RFC 7914 §12 in full length, and vectors of passlib.
const SCRYPT: [(&[u8], &str); 6] = [
    (
        b"password",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/x\
         CSedmDDaxyevuUqD7m2DYMvfoswGQA",
    ),
    (
        b"pleaseletmein",
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQ\
         ylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
    ),
    (
        b"test",
        "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA",
    ),
    (
        b"password",
        "$scrypt$ln=8,r=2,p=1$dO6d0xoDoLT2PofQGoNQag$g/Wf2A0vhHhaJM+addK61QPBthSmYB6uVTtQzh8CM3o",
    ),
    (
        TABLE,
        "$scrypt$ln=7,r=8,p=1$jjGmtDamdA4BQAjBeA9BSA$OiWRHhQtpDx7M/793x6UXK14AD512jg/qNm/hkWZG4M",
    ),
    (
        b"nacl",
        "$scrypt$ln=1,r=4,p=2$yhnD+J+Tci4lZCwFgHCuVQ$fAsEWmxSHuC0cHKMwKVFPzrQukgvK09Sj+NueTSxKds",
    ),
];

/// RFC 6070, RFC 7914 §11, and vectors of passlib and Django.
const PBKDF2: [(&[u8], &str); 9] = [
    (b"password", "$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE"),
    (b"password", "$pbkdf2-sha1$i=4096,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE"),
    (
        b"passwd",
        "$pbkdf2-sha256$i=1$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd\
         +8xfHG4RbHjC9UJESBB06GXgw",
    ),
    (b"password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
    (
        b"password",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    ),
    (
        b"password",
        "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.es\
         qY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
    ),
    (
        b"not a password",
        "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=",
    ),
    (b"not a password", "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I="),
    (TABLE, "pbkdf2_sha256$10000$bEwAfNrH1TlQ$OgYUblFNUX1B8GfMqaCYUK/iHyO0pa7STTDdaEJBuY0="),
];

#[test]
fn published_vectors_fit_and_others_do_not() {
    for (password, text) in BCRYPT.iter().chain(&SCRYPT).chain(&PBKDF2) {
        assert!(fits(text, password), "{text}");
        assert!(!fits(text, &[password, b"x".as_slice()].concat()), "{text}");
    }
}

#[test]
fn bcrypt_takes_72_bytes_and_no_more() {
    // Published: what stands behind 72 bytes makes no difference to this hash.
    let hash = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let whole = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars";
    assert!(fits(hash, &whole[..72]));
    assert!(!fits(hash, &whole[..73]));
    assert!(!fits(
        hash,
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789X"
    ));
    assert!(!fits(hash, &whole[..71]));
}

#[test]
fn a_nul_does_not_repeat_a_bcrypt_password() {
    // bcrypt's key is the password with a NUL, over and over: this is the same key.
    let hash = "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi";
    assert!(!fits(hash, b"abc\0abc"));
}

#[test]
fn spare_bits_of_a_bcrypt_salt_are_overlooked() {
    // `.` and `/` as the last character of the salt differ in bits that no byte has.
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC/E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert!(fits(hash, b"U*U"));
}

#[test]
fn what_is_too_costly_is_refused_before_anything_is_computed() {
    let tag = "A".repeat(43);
    for text in [
        "$2b$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        "$2b$99$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        format!("$scrypt$ln=19,r=8,p=1$TmFDbA${tag}"),
        format!("$scrypt$ln=63,r=1,p=1$TmFDbA${tag}"),
        format!("$scrypt$ln=18,r=8,p=5$TmFDbA${tag}"),
        format!("$scrypt$ln=1,r=4294967295,p=4294967295$TmFDbA${tag}"),
        format!("$pbkdf2-sha256$4000001$c2FsdA${tag}"),
        format!("$pbkdf2$2000001$c2FsdA${tag}"),
        format!("pbkdf2_sha512$4294967295$salt${tag}="),
    ] {
        let fault = Imported::parse(&text).unwrap_err();
        assert!(matches!(fault, ImportFault::TooCostly(..)), "{text}: {fault:?}");
    }
    // At the ceiling itself.
    for text in [
        "$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        format!("$scrypt$ln=18,r=8,p=4$TmFDbA${tag}"),
        format!("$pbkdf2-sha256$4000000$c2FsdA${tag}"),
    ] {
        assert!(Imported::parse(&text).is_ok(), "{text}");
    }
}

#[test]
fn damaged_and_unknown_texts_are_refused_and_never_echoed() {
    let tag = "A".repeat(43);
    let bcrypt = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert_eq!(Imported::parse(&bcrypt.replace("2b", "2x")), Err(ImportFault::FaultyBcrypt));
    let malformed = [
        bcrypt.replace("2b", "2"),
        bcrypt.replace("2b", "2c"),
        bcrypt.replace("$05$", "$5$"),
        bcrypt.replace("$05$", "$+5$"),
        bcrypt.replace("$05$", "$03$"),
        bcrypt[..59].to_owned(),
        format!("{bcrypt}A"),
        format!("{}\u{e9}", &bcrypt[..58]),
        format!("$2b$05${}", "\u{20ac}".repeat(18)),
        "$2\u{e9}".to_owned(),
        "$2".to_owned(),
        format!("$scrypt$ln=0,r=8,p=1$TmFDbA${tag}"),
        format!("$scrypt$ln=64,r=8,p=1$TmFDbA${tag}"),
        format!("$scrypt$ln=8,r=0,p=1$TmFDbA${tag}"),
        format!("$scrypt$ln=8,r=8,p=0$TmFDbA${tag}"),
        format!("$scrypt$ln=8,r=8$TmFDbA${tag}"),
        format!("$scrypt$ln=8,r=8,p=1$TmFDbA${tag}$x"),
        "$scrypt$ln=8,r=8,p=1$TmFDbA$AAAA".to_owned(),
        format!("$scrypt$ln=8,r=8,p=1$Tm!DbA${tag}"),
        format!("$pbkdf2-sha256$0$c2FsdA${tag}"),
        format!("$pbkdf2-sha256$01212$c2FsdA${tag}"),
        format!("$pbkdf2-sha256$-5$c2FsdA${tag}"),
        format!("$pbkdf2-sha256$i=5,l=31$c2FsdA${tag}"),
        format!("$pbkdf2-sha256$5$$${tag}"),
        "$pbkdf2-sha256$5$c2FsdA$".to_owned(),
        format!("pbkdf2_sha256$5$${tag}"),
    ];
    for text in malformed {
        let fault = Imported::parse(&text).unwrap_err();
        assert!(matches!(fault, ImportFault::Malformed(_)), "{text}: {fault:?}");
        assert!(!fault.to_string().contains(&text), "{fault}");
    }
    for text in ["", "$", "password", "$1$abc$def", "$6$abc$def", "{SSHA}abc", "$pbkdf2-md5$1$a$b"]
    {
        assert_eq!(Imported::parse(text), Err(ImportFault::Unknown), "{text}");
    }
    assert_eq!(Imported::parse(&"$2b$05$".repeat(100)), Err(ImportFault::Unknown));
}
