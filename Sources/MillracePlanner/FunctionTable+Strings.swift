import MillraceCore

extension FunctionTable {
    private static let text = ResultType.always(.string)
    private static let int = ResultType.always(.integer)
    private static let bool = ResultType.always(.boolean)

    static let strings: [FunctionDeclaration] = [
        function("CONCAT", to: .concat, [.text], variadic: true, result: text, "All parts joined; NULL if one is NULL"),
        function(
            "CONCAT_WS", to: .concatWithSeparator, [.text, .text], variadic: true, result: text,
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
        function(
            "SPLIT_INDEX", to: .splitIndex, [.text, .text, .integer], result: text, mayBeNull: true,
            "The part at an index, from 0"),
        function(
            "REGEXP", "REGEXP_LIKE", "REGEXP_CONTAINS", to: .regexp, [.text, .text], result: bool,
            "Whether the pattern is found"),
        function(
            "REGEXP_EXTRACT", to: .regexpExtract, [.text, .text, .integer], optional: 1, result: text, mayBeNull: true,
            "A group of the first match"),
        function(
            "REGEXP_REPLACE", to: .regexpReplace, [.text, .text, .text], result: text, "Every match replaced literally"),
        function("REGEXP_COUNT", to: .regexpCount, [.text, .text], result: int, "How many matches"),
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
        function("STARTSWITH", "STARTS_WITH", to: .startsWith, [.text, .text], result: bool, "Whether it begins so"),
        function("ENDSWITH", "ENDS_WITH", to: .endsWith, [.text, .text], result: bool, "Whether it ends so"),
        function("UUID", "GENERATE_UUID", to: .uuid, [], result: text, "A random UUID"),
        function(
            "PARSE_URL", to: .parseURL, [.text, .text, .text], optional: 1, result: text, mayBeNull: true,
            "A part of a URL"),
        function(
            "JSON_VALUE", "JSON_EXTRACT_SCALAR", to: .jsonValue, [.text, .text], result: text, mayBeNull: true,
            "A scalar at a path"),
        function(
            "JSON_QUERY", "JSON_EXTRACT", to: .jsonQuery, [.text, .text], result: text, mayBeNull: true,
            "An object or array at a path"),
        function("JSON_EXISTS", to: .jsonExists, [.text, .text], result: bool, "Whether a path is there"),
        function("IS_JSON", to: .isJSON, [.text], result: bool, "Whether the text is JSON"),
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
                "FARM_FINGERPRINT", to: .farmFingerprint, [.textOrBinary], result: ResultType.always(.bigInt),
                "FarmHash Fingerprint64 as a signed number")
        ]
}
