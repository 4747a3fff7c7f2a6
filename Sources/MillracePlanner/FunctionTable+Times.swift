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
            FunctionDeclaration(
                names: ["DATE_FORMAT"],
                overloads: [
                    FunctionOverload(parameters: [.temporal, .text], function: .dateFormat, result: text),
                    FunctionOverload(parameters: [.text, .text], function: .dateFormat, result: text),
                ], mayBeNull: true, documentation: "A time, or text such as '2024-01-31 12:00:00', by a Java pattern"),
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
                        parameters: [.text, .text, .text], optional: 2, function: .toTimestampLTZ,
                        result: ResultType.always(.timestampLTZ(precision: 3))),
                ], mayBeNull: true,
                documentation:
                    "Epoch units of 10^-precision seconds (default milliseconds), or text of a zone (default UTC)"),
            function(
                "FROM_UNIXTIME", to: .fromUnixTime, [.integer, .text], optional: 1, result: text,
                "Epoch seconds as text"),
            function(
                "UNIX_TIMESTAMP", to: .unixTimestamp, [.text, .text], optional: 2, result: bigInt,
                "Epoch seconds of now, or of text; the smallest BIGINT for text that is no time"),
            function(
                "CONVERT_TZ", to: .convertTimeZone, [.text, .text, .text], result: text, mayBeNull: true,
                "Text such as '2024-01-31 12:00:00' of one zone in another"),
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
        "MICROSECOND", "NANOSECOND",
        "EPOCH", "ISODOW", "ISOYEAR", "DECADE", "CENTURY", "MILLENNIUM",
    ]

    static let conditions: [FunctionDeclaration] = [
        function(
            "GREATEST", to: .greatest, [.same], variadic: true, result: ResultType.argument(0),
            "The greatest; NULL if one is NULL"),
        function(
            "LEAST", to: .least, [.same], variadic: true, result: ResultType.argument(0),
            "The least; NULL if one is NULL"),
    ]
}
