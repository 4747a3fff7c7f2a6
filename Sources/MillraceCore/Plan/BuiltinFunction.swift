/// The scalar kernels of the runtime. SQL names, overloads and coercion belong to the planner's function table.
///
/// Unless said otherwise a function is strict: an error operand gives that error, else a NULL operand gives NULL. "Same"
/// means that the planner has cast both operands to one type. Results are of the call's type.
public enum BuiltinFunction: String, Hashable, Sendable, CaseIterable {
    // Arithmetic. Integers: operands and result of one integer type, wrapping in its width. FLOAT and DOUBLE: same.
    // DECIMAL: operands keep their own scales (integers arrive cast to DECIMAL), the result has the call's
    // precision and scale, half-up; out of precision = NULL. Division by zero of integers and decimals is an error cell.
    case add, subtract, multiply, divide, modulo, negate
    // Temporal arithmetic: (temporal, interval) or (interval, interval); `negate` also takes intervals.
    case addInterval, subtractInterval
    /// INTERVAL * INT family.
    case multiplyInterval
    /// (timestamp, timestamp) -> INTERVAL DAY TO SECOND.
    case subtractTimestamps

    // Comparison of two of the same type (DECIMAL: own scales); BOOLEAN result. Strings by bytes.
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
    /// Not strict: NULL equals NULL; never NULL.
    case isDistinctFrom, isNotDistinctFrom
    // Not strict, never NULL.
    case isNull, isNotNull, isTrue, isNotTrue, isFalse, isNotFalse, isUnknown, isNotUnknown
    // Three-valued logic, n-ary; FALSE (TRUE) decides AND (OR) whatever the others are, errors included.
    case and, or, not
    /// (needle, candidate...), all the same type; SQL IN with its NULL rule.
    case inList
    /// (text, pattern [, escape]); no default escape character.
    case like
    /// (text, pattern [, escape]); SIMILAR TO.
    case similar

    // Conditional. Not strict. All the result's type.
    case coalesce
    /// (a, b): NULL where equal.
    case nullIf
    case greatest, least

    // Numbers
    case abs, ceil, floor, round, truncate, sign
    case sqrt, exp, ln, log10, log2
    /// (x) natural or (base, x).
    case log
    case power, sin, cos, tan, cot, asin, acos, atan, atan2, sinh, cosh, tanh, degrees, radians, pi, e
    /// DOUBLE in [0, 1).
    case rand, randInteger

    // Strings; positions and lengths are code points, positions from 1.
    case concat
    /// (separator, part...): skips NULL parts.
    case concatWithSeparator
    case characterLength, octetLength
    case upper, lower, initCap
    /// (text, start [, length])
    case substring
    case left, right, leftPad, rightPad, repeatText, replace, reverse
    /// (text, characters)
    case trimBoth, trimLeading, trimTrailing
    /// (needle, text [, start]) -> INT, 0 when absent.
    case position
    /// (text, replacement, start [, length])
    case overlay
    /// (text, separator, index from 0)
    case splitIndex
    case regexp, regexpExtract, regexpReplace, regexpCount
    /// (text, from, to): characters of `from` replaced by those of `to` at the same place, or left out.
    case translate
    /// (index from 1, value…): NULL outside. Not strict in the values.
    case elt
    case urlEncode, urlDecode
    /// (Java format, argument…): NULL when the format does not fit. Not strict in the arguments.
    case printf
    /// (text, delimiter) -> ARRAY<STRING>
    case split
    /// (text [, pair delimiter, key delimiter]) -> MAP<STRING, STRING>
    case strToMap
    /// (text, pattern [, group]) -> ARRAY<STRING>
    case regexpExtractAll
    case regexpInstr, regexpSubstr
    /// (needle, text, start, occurrence); a negative start searches backwards.
    case instr
    /// (text or bytes, bits)
    case sha2
    case bin
    /// (text, charset) -> BYTES; (bytes, charset) -> STRING
    case encode, decode
    case jsonQuote, jsonUnquote
    /// Text as JSON text in one form, for VARIANT: keys sorted, numbers without trailing zeros.
    case parseJSON, tryParseJSON
    /// Of BITMAP as its members in order, four bytes each.
    case bitmapBuild, bitmapFromBytes, bitmapAnd, bitmapOr, bitmapXor, bitmapAndNot
    case bitmapCardinality, bitmapToArray, bitmapToString, bitmapToBytes
    /// (JSON text, key or index from 1) -> JSON text
    case variantItem
    case inetAton, inetNtoa
    /// Of text; NULL is none of them.
    case isDigit, isAlpha, isDecimal
    case ascii, chr, toBase64, fromBase64, hex, unhex, startsWith, endsWith
    case md5, sha1, sha224, sha256, sha384, sha512, farmFingerprint
    case uuid
    case parseURL
    /// (json text, path, JSONBehavior on empty, on error, default on empty, default on error): a scalar.
    case jsonValue
    /// (json text, path, wrapper, JSONBehavior on empty, on error): an object or array as text, or ARRAY<STRING>.
    case jsonQuery
    /// (json text, path, JSONBehavior on error)
    case jsonExists
    /// (text, VALUE OBJECT ARRAY or SCALAR)
    case isJSON
    /// (any) -> its JSON text
    case jsonString
    /// (leaves out NULL, key, value, …) and (leaves out NULL, element…). A value that is JSON text itself is a call of one
    /// of these or of `json`.
    case jsonObject, jsonArray
    /// (json text): the text itself, as a value of the two above.
    case json

    // Time. Units are a STRING literal as first argument: YEAR QUARTER MONTH WEEK DAY DOW DOY HOUR MINUTE SECOND
    // MILLISECOND MICROSECOND EPOCH ISODOW ISOYEAR DECADE CENTURY MILLENNIUM.
    /// (unit, temporal or interval) -> BIGINT
    case extract
    /// (unit, temporal) -> the same type
    case floorTime, ceilTime
    /// (unit, count INT, temporal)
    case timestampAdd
    /// (unit, from, to) -> INT
    case timestampDiff
    /// (text, zone, zone) -> text
    case convertTimeZone
    /// (TIMESTAMP_LTZ, zone) -> TIMESTAMP and back; the planner puts them where the session's zone matters.
    case toLocalTime, fromLocalTime
    /// (temporal, Java pattern) -> STRING
    case dateFormat
    /// (text [, Java pattern])
    case toTimestamp
    case toDate
    /// (number, precision 0 or 3, or text)
    case toTimestampLTZ
    /// (seconds [, Java pattern]) -> STRING
    case fromUnixTime
    /// () | (text [, Java pattern]) -> BIGINT seconds
    case unixTimestamp
    // () : once a batch, from the shard's clock.
    case currentTimestamp, localTimestamp, currentDate, currentTime
    /// () -> TIMESTAMP_LTZ(3): a processing-time attribute.
    case processingTime
    /// (time attribute) -> the watermark before the row, or NULL.
    case currentWatermark

    // Nested values
    case rowConstructor, arrayConstructor, mapConstructor
    /// (array, index from 1) or (map, key); NULL when absent.
    case element
    case cardinality
    case arrayContains
    // Arrays; elements are compared as IS NOT DISTINCT FROM.
    case arrayAppend, arrayPrepend, arrayConcat, arrayDistinct, arrayExcept, arrayIntersect, arrayUnion, arrayJoin
    case arrayMax, arrayMin, arrayPosition, arrayRemove, arrayReverse, arraySlice, arraySort
    /// The only element; NULL for none, an error for more.
    case arrayElement
    case mapKeys, mapValues, mapEntries, mapUnion, mapFromArrays
}
