import MillraceCore

extension FunctionTable {
    private static let bigInt = ResultType.always(.bigInt)
    private static let text = ResultType.always(.string)

    static let times: [FunctionDeclaration] =
        [
            function("EXTRACT", to: .extract, [.unit, .temporalOrInterval], result: bigInt, "A part of a time"),
            function(
                "TIMESTAMPADD", to: .timestampAdd, [.unit, .integer, .temporal], result: ResultType.argument(2),
                "A time moved by a count of units"),
            function(
                "TIMESTAMPDIFF", to: .timestampDiff, [.unit, .temporal, .temporal], result: ResultType.always(.integer),
                "Whole units from the first to the second"),
            function(
                "DATE_FORMAT", to: .dateFormat, [.temporal, .text], result: text, "A time as text, by a Java pattern"),
            function(
                "TO_TIMESTAMP", to: .toTimestamp, [.text, .text], optional: 1,
                result: ResultType.always(.timestamp(precision: 3)),
                mayBeNull: true, "Text as a time; NULL when it is none"),
            function(
                "TO_DATE", to: .toDate, [.text, .text], optional: 1, result: ResultType.always(.date), mayBeNull: true,
                "Text as a date; NULL when it is none"),
            FunctionDeclaration(
                names: ["TO_TIMESTAMP_LTZ"],
                overloads: [
                    FunctionOverload(
                        parameters: [.numeric, .integer], optional: 1, function: .toTimestampLTZ,
                        result: ResultType.always(.timestampLTZ(precision: 3))),
                    FunctionOverload(
                        parameters: [.text, .text], optional: 1, function: .toTimestampLTZ,
                        result: ResultType.always(.timestampLTZ(precision: 3))),
                ], mayBeNull: true, documentation: "Epoch seconds (precision 0) or milliseconds (3), or text"),
            function(
                "FROM_UNIXTIME", to: .fromUnixTime, [.integer, .text], optional: 1, result: text,
                "Epoch seconds as text"),
            function(
                "UNIX_TIMESTAMP", to: .unixTimestamp, [.text, .text], optional: 2, result: bigInt, mayBeNull: true,
                "Epoch seconds"),
            function(
                "CURRENT_TIMESTAMP", "NOW", "CURRENT_ROW_TIMESTAMP", to: .currentTimestamp, [],
                result: ResultType.always(.timestampLTZ(precision: 3)), neverNull: true, "The time of the batch"),
            function(
                "LOCALTIMESTAMP", to: .localTimestamp, [], result: ResultType.always(.timestamp(precision: 3)),
                neverNull: true,
                "The time of the batch in the session zone"),
            function("CURRENT_DATE", to: .currentDate, [], result: ResultType.always(.date), neverNull: true, "Today"),
            function(
                "CURRENT_TIME", "LOCALTIME", to: .currentTime, [], result: ResultType.always(.time(precision: 0)),
                neverNull: true,
                "The time of day"),
            function(
                "PROCTIME", to: .processingTime, [], result: ResultType.always(.timestampLTZ(precision: 3)),
                neverNull: true,
                "A processing-time attribute"),
            function(
                "CURRENT_WATERMARK", to: .currentWatermark, [.timestamp], result: ResultType.argument(0),
                mayBeNull: true,
                "The watermark before the row"),
        ]

    /// YEAR(x) and its like are EXTRACT(YEAR FROM x).
    static let extractUnits = [
        "YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH", "WEEK": "WEEK", "DAYOFYEAR": "DOY", "DAYOFMONTH": "DAY",
        "DAYOFWEEK": "DOW", "HOUR": "HOUR", "MINUTE": "MINUTE", "SECOND": "SECOND", "DAY": "DAY",
    ]

    static let timeUnits: Set<String> = [
        "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "DOY", "HOUR", "MINUTE", "SECOND", "MILLISECOND",
        "MICROSECOND",
        "EPOCH", "ISODOW", "ISOYEAR", "DECADE", "CENTURY", "MILLENNIUM",
    ]

    static let conditions: [FunctionDeclaration] = [
        function(
            "NULLIF", to: .nullIf, [.same, .same], result: ResultType.argument(0), mayBeNull: true,
            "NULL where both are equal"),
        function(
            "GREATEST", to: .greatest, [.same], variadic: true, result: ResultType.argument(0),
            "The greatest; NULL if one is NULL"),
        function(
            "LEAST", to: .least, [.same], variadic: true, result: ResultType.argument(0),
            "The least; NULL if one is NULL"),
    ]

    static let nested: [FunctionDeclaration] = [
        FunctionDeclaration(
            names: ["CARDINALITY", "ARRAY_LENGTH"],
            overloads: [
                FunctionOverload(parameters: [.array], function: .cardinality, result: ResultType.always(.integer)),
                FunctionOverload(parameters: [.map], function: .cardinality, result: ResultType.always(.integer)),
            ], documentation: "How many elements")
    ]
}
