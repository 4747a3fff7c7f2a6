import MillraceCore

/// Functions of other databases that Millrace has under another name or as an operator.
extension FunctionTable {
    private static let foreign: [String: String] = [
        "DATEDIFF": "Write TIMESTAMPDIFF(DAY, start, end).",
        "DATE_DIFF": "Write TIMESTAMPDIFF(DAY, start, end).",
        "DATEADD": "Write the time + INTERVAL '1' DAY, or TIMESTAMPADD(DAY, 1, time).",
        "DATE_ADD": "Write the time + INTERVAL '1' DAY, or TIMESTAMPADD(DAY, 1, time).",
        "DATE_SUB": "Write the time - INTERVAL '1' DAY.",
        "DATE_TRUNC": "Write FLOOR(time TO HOUR).",
        "TIMESTAMP_TRUNC": "Write FLOOR(time TO HOUR).",
        "DATE_PART": "Write EXTRACT(HOUR FROM time).",
        "GETDATE": "Write CURRENT_TIMESTAMP.",
        "SYSDATE": "Write CURRENT_TIMESTAMP.",
        "TO_CHAR": "Write DATE_FORMAT(time, 'yyyy-MM-dd HH:mm:ss'), or CAST(… AS STRING).",
        "STRFTIME": "Write DATE_FORMAT(time, 'yyyy-MM-dd HH:mm:ss').",
        "TO_NUMBER": "Write CAST(… AS DECIMAL(p, s)).",
        "CONVERT": "Write CAST(… AS type).",
        "TOINT": "Write CAST(… AS INT).",
        "ISNULL": "Write x IS NULL, or COALESCE(x, y).",
        "LEN": "Write CHAR_LENGTH(text).",
        "STRLEN": "Write CHAR_LENGTH(text).",
        "CHARINDEX": "Write POSITION('a' IN text).",
        "STRING_AGG": "Write LISTAGG(text, ',').",
        "GROUP_CONCAT": "Write LISTAGG(text, ',').",
        "RAND_INT": "Write RAND_INTEGER(bound).",
        "SPLIT_PART": "Write SPLIT_INDEX(text, ',', 0); it counts from 0.",
        "IIF": "Write IF(condition, a, b), or CASE.",
        "NVL2": "Write CASE WHEN x IS NOT NULL THEN a ELSE b END.",
        "GET_JSON_OBJECT": "Write JSON_VALUE(text, '$.path').",
        "JSON_EXTRACT": "Write JSON_VALUE(text, '$.path'), or JSON_QUERY for objects and arrays.",
        "JSON_EXTRACT_SCALAR": "Write JSON_VALUE(text, '$.path').",
    ]

    private static let tableFunctions: Set<String> = [
        "TUMBLE", "HOP", "CUMULATE", "SESSION", "ML_PREDICT", "ML.PREDICT", "UNNEST",
    ]

    /// What to write instead of a call that does not exist; nil when nothing is close.
    func instead(of name: String, known: [String]) -> String? {
        if Self.tableFunctions.contains(name) { return "\(name) gives a table; write it behind FROM." }
        // An exact name of another database says more than a name that merely looks alike.
        return Self.foreign[name] ?? NearestName.hint(name, in: known)
    }
}
