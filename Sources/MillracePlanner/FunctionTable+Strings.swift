import MillraceCore

extension FunctionTable {
    fileprivate static let text = ResultType.always(.string)
    fileprivate static let int = ResultType.always(.integer)
    fileprivate static let bool = ResultType.always(.boolean)

    static let strings: [FunctionDeclaration] = [
        function("CONCAT", to: .concat, [.text], variadic: true, result: text, "All parts joined; NULL if one is NULL"),
        function(
            "CONCAT_WS", to: .concatWithSeparator, [.text, .text], optional: 1, variadic: true, result: text,
            "The parts that are not NULL, joined by the first argument"),
        function(
            "CHAR_LENGTH", "CHARACTER_LENGTH", "LENGTH", to: .characterLength, [.text], result: int, "Code points"),
        function("OCTET_LENGTH", "BYTE_LENGTH", to: .octetLength, [.textOrBinary], result: int, "Bytes"),
        function("UPPER", to: .upper, [.text], result: text, "In upper case"),
        function("LOWER", to: .lower, [.text], result: text, "In lower case"),
        function("INITCAP", to: .initCap, [.text], result: text, "First letters upper, the rest lower"),
        function(
            "SUBSTRING", "SUBSTR", to: .substring, [.text, .integer, .integer], optional: 1, result: text,
            mayBeNull: true,
            "From a position, counted from 1"),
        function("LEFT", to: .left, [.text, .integer], result: text, "The first n code points"),
        function("RIGHT", to: .right, [.text, .integer], result: text, "The last n code points"),
        function(
            "LPAD", to: .leftPad, [.text, .integer, .text], result: text, mayBeNull: true,
            "Filled on the left to a length"),
        function(
            "RPAD", to: .rightPad, [.text, .integer, .text], result: text, mayBeNull: true,
            "Filled on the right to a length"),
        function("REPEAT", to: .repeatText, [.text, .integer], result: text, "The text n times"),
        function("REPLACE", to: .replace, [.text, .text, .text], result: text, "Every occurrence replaced"),
        function("REVERSE", to: .reverse, [.text], result: text, "Backwards"),
        function("BTRIM", to: .trimBoth, [.text, .text], optional: 1, result: text, "Without characters at both ends"),
        function(
            "LTRIM", to: .trimLeading, [.text, .text], optional: 1, result: text, "Without characters at the start"),
        function(
            "RTRIM", to: .trimTrailing, [.text, .text], optional: 1, result: text, "Without characters at the end"),
        function(
            "POSITION", to: .position, [.text, .text, .integer], optional: 1, result: int,
            "Where the first is in the second, from 1; 0 when absent"),
        function(
            "LOCATE", to: .position, [.text, .text, .integer], optional: 1, result: int,
            "Where the first is in the second, from 1; 0 when absent"),
        function(
            "OVERLAY", to: .overlay, [.text, .text, .integer, .integer], optional: 1, result: text,
            "With a part replaced"),
        FunctionDeclaration(
            names: ["SPLIT_INDEX"],
            overloads: [
                FunctionOverload(parameters: [.text, .text, .integer], function: .splitIndex, result: text),
                FunctionOverload(parameters: [.text, .integer, .integer], function: .splitIndex, result: text),
            ], mayBeNull: true,
            documentation: "The part at an index, from 0, between delimiters given as text or as a character's code"),
        function("ASCII", to: .ascii, [.text], result: int, "The first byte"),
        function("CHR", to: .chr, [.integer], result: text, "The character of a code"),
        function("TO_BASE64", to: .toBase64, [.textOrBinary], result: text, "As base64"),
        function("FROM_BASE64", to: .fromBase64, [.text], result: text, mayBeNull: true, "From base64"),
        FunctionDeclaration(
            names: ["HEX", "TO_HEX"],
            overloads: [
                FunctionOverload(parameters: [.integer], function: .hex, result: text),
                FunctionOverload(parameters: [.textOrBinary], function: .hex, result: text),
            ], documentation: "As hexadecimal digits"),
        function(
            "UNHEX", "FROM_HEX", to: .unhex, [.text], result: ResultType.always(.bytes), mayBeNull: true,
            "From hexadecimal digits"),
        FunctionDeclaration(
            names: ["STARTSWITH", "STARTS_WITH"],
            overloads: [
                FunctionOverload(parameters: [.text, .text], function: .startsWith, result: bool),
                FunctionOverload(parameters: [.binary, .binary], function: .startsWith, result: bool),
            ], documentation: "Whether it begins so"),
        FunctionDeclaration(
            names: ["ENDSWITH", "ENDS_WITH"],
            overloads: [
                FunctionOverload(parameters: [.text, .text], function: .endsWith, result: bool),
                FunctionOverload(parameters: [.binary, .binary], function: .endsWith, result: bool),
            ], documentation: "Whether it ends so"),
        function("UUID", "GENERATE_UUID", to: .uuid, [], result: text, "A random UUID"),
        function(
            "PARSE_URL", to: .parseURL, [.text, .text, .text], optional: 1, result: text, mayBeNull: true,
            "A part of a URL"),
        function(
            "TRANSLATE", "TRANSLATE3", to: .translate, [.text, .text, .text], result: text,
            "Characters of the second replaced by those of the third at the same place, or left out"),
        FunctionDeclaration(
            names: ["ELT"],
            overloads: [
                FunctionOverload(
                    parameters: [.integer, .text], isVariadic: true, function: .elt, result: text),
                FunctionOverload(
                    parameters: [.integer, .binary], isVariadic: true, function: .elt,
                    result: ResultType.always(.bytes)),
            ], mayBeNull: true, documentation: "The argument at an index, from 1"),
        function("URL_ENCODE", to: .urlEncode, [.text], result: text, "As application/x-www-form-urlencoded"),
        function("URL_DECODE", to: .urlDecode, [.text], result: text, mayBeNull: true, "From URL_ENCODE's form"),
        function(
            "PRINTF", to: .printf, [.text, .any], optional: 1, variadic: true, result: text, mayBeNull: true,
            "By a format of Java; NULL when the arguments do not fit it"),
        function(
            "SPLIT", to: .split, [.text, .text], result: ResultType.always(.array(.string)),
            "The parts between delimiters; the characters when the delimiter is empty"),
        function(
            "STR_TO_MAP", to: .strToMap, [.text, .text, .text], optional: 2,
            result: ResultType.always(.map(key: .string, value: .string)),
            "Pairs such as k1=v1,k2=v2; the delimiters are regular expressions"),
        function(
            "INSTR", to: .instr, [.text, .text, .integer, .integer], optional: 2, result: int,
            "Where the second is in the first, from a start (from the end when negative), the n-th time"),
        function("IS_DIGIT", to: .isDigit, [.text], result: bool, neverNull: true, "Whether there are only digits"),
        function("IS_ALPHA", to: .isAlpha, [.text], result: bool, neverNull: true, "Whether there are only letters"),
        function("IS_DECIMAL", to: .isDecimal, [.text], result: bool, neverNull: true, "Whether it is a number"),
        function(
            "ENCODE", to: .encode, [.text, .text], result: ResultType.always(.bytes),
            "As bytes of a character set: US-ASCII, ISO-8859-1, UTF-8, UTF-16, UTF-16BE, UTF-16LE"),
        function("DECODE", to: .decode, [.binary, .text], result: text, "Bytes of a character set as text"),
    ]

    static let hashes: [FunctionDeclaration] =
        [
            ("MD5", BuiltinFunction.md5), ("SHA1", .sha1), ("SHA224", .sha224), ("SHA256", .sha256),
            ("SHA384", .sha384),
            ("SHA512", .sha512),
        ].map { name, function in
            FunctionDeclaration(
                names: [name],
                overloads: [FunctionOverload(parameters: [.textOrBinary], function: function, result: text)],
                documentation: "The hash as hexadecimal digits")
        } + [
            function(
                "SHA2", to: .sha2, [.textOrBinary, .integer], result: ResultType.always(.varchar(length: 128)),
                "The hash of 224, 256, 384 or 512 bits as hexadecimal digits"),
            function(
                "FARM_FINGERPRINT", to: .farmFingerprint, [.textOrBinary], result: ResultType.always(.bigInt),
                "FarmHash Fingerprint64 as a signed number"),
        ]
}

extension FunctionTable {
    /// Regular expressions, as `java.util.regex` reads them.
    static let patterns: [FunctionDeclaration] = [
        function(
            "REGEXP", "REGEXP_LIKE", "REGEXP_CONTAINS", to: .regexp, [.text, .text], result: bool,
            "Whether the pattern is found"),
        function(
            "REGEXP_EXTRACT", to: .regexpExtract, [.text, .text, .integer], optional: 1, result: text, mayBeNull: true,
            "A group of the first match"),
        function(
            "REGEXP_REPLACE", to: .regexpReplace, [.text, .text, .text], result: text, "Every match replaced literally"),
        function("REGEXP_COUNT", to: .regexpCount, [.text, .text], result: int, "How many matches"),
        function(
            "REGEXP_EXTRACT_ALL", to: .regexpExtractAll, [.text, .text, .integer], optional: 1,
            result: ResultType.always(.array(.string)), mayBeNull: true,
            "A group (default 1) of every match"),
        function(
            "REGEXP_INSTR", to: .regexpInstr, [.text, .text], result: int, mayBeNull: true,
            "Where the first match begins, from 1; 0 without a match"),
        function(
            "REGEXP_SUBSTR", to: .regexpSubstr, [.text, .text], result: text, mayBeNull: true, "The first match"),
    ]

    /// The JSON functions without clauses of their own.
    static let json: [FunctionDeclaration] = [
        function("IS_JSON", to: .isJSON, [.text], result: bool, "Whether the text is JSON"),
        function("JSON", to: .json, [.text], result: text, "JSON text as a value of JSON_OBJECT or JSON_ARRAY"),
        function("JSON_STRING", to: .jsonString, [.any], result: text, "Any value as JSON text"),
        function("JSON_QUOTE", to: .jsonQuote, [.text], result: text, "As a JSON string with its quotes"),
        function("JSON_UNQUOTE", to: .jsonUnquote, [.text], result: text, "A JSON string without its quotes"),
        function(
            "JSON_EXTRACT_SCALAR", to: .jsonValue, [.text, .text], result: text, mayBeNull: true,
            "JSON_VALUE in BigQuery's older spelling"),
        function(
            "JSON_EXTRACT", to: .jsonQuery, [.text, .text], result: text, mayBeNull: true,
            "JSON_QUERY in BigQuery's older spelling"),
    ]

    static let network: [FunctionDeclaration] = [
        function(
            "INET_ATON", to: .inetAton, [.text], result: ResultType.always(.bigInt), mayBeNull: true,
            "An IPv4 address as a number"),
        function(
            "INET_NTOA", to: .inetNtoa, [.integer], result: text, mayBeNull: true, "A number as an IPv4 address"),
    ]
}
