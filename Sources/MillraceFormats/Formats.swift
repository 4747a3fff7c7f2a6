public import MillraceCore
public import MillraceRuntime

/// The formats `json` and `csv`.
public struct Formats: FormatFactory {
    public init() {}

    /// What the planner may accept behind `json.` and `csv.`.
    public static let descriptors: [FormatDescriptor] = [
        FormatDescriptor(
            name: "json",
            options: [
                OptionDescriptor(
                    "fail-on-missing-field", .boolean, default: "false", "A message without a needed field is an error"),
                OptionDescriptor(
                    "ignore-parse-errors", .boolean, default: "false",
                    "A field of the wrong type becomes NULL and a malformed message is skipped"),
                OptionDescriptor(
                    "timestamp-format.standard", .choice(TimeForm.names), default: "SQL",
                    "How timestamps are written: 'yyyy-MM-dd HH:mm:ss.f' or with a 'T'"),
                OptionDescriptor(
                    "map-null-key.mode", .choice(["FAIL", "DROP", "LITERAL"]), default: "FAIL",
                    "What a NULL key of a MAP becomes in output"),
                OptionDescriptor(
                    "map-null-key.literal", default: "null", "The key in mode LITERAL"),
                OptionDescriptor(
                    "encode.decimal-as-plain-number", .boolean, default: "false",
                    "Decimals never in exponent form"),
                OptionDescriptor(
                    "encode.ignore-null-fields", .boolean, default: "false", "NULL fields are left out"),
            ]),
        FormatDescriptor(
            name: "csv",
            options: [
                OptionDescriptor("field-delimiter", default: ",", "Between two fields"),
                OptionDescriptor("quote-character", default: "\"", "Around fields that hold delimiters"),
                OptionDescriptor(
                    "disable-quote-character", .boolean, default: "false", "Quotes are ordinary characters"),
                OptionDescriptor("allow-comments", .boolean, default: "false", "Lines that begin with # are skipped"),
                OptionDescriptor(
                    "ignore-parse-errors", .boolean, default: "false",
                    "A field of the wrong type becomes NULL and a malformed line is skipped"),
                OptionDescriptor("array-element-delimiter", default: ";", "Between the elements of an ARRAY or ROW"),
                OptionDescriptor("escape-character", .string, "Takes the next character as it is"),
                OptionDescriptor("null-literal", .string, "Text that stands for NULL"),
                OptionDescriptor(
                    "write-bigdecimal-in-scientific-notation", .boolean, default: "true",
                    "Accepted for Flink's sake; decimals keep their scale"),
            ]),
    ]

    public func makeDecoder(
        format: String, part: String?, options: [String: String], physical: Schema, fields: [SourceField]
    ) throws(Diagnostic) -> any RowDecoder {
        let read = FormatOptions(format: format, part: part, options: options)
        switch format {
        case "json": return JSONRowDecoder(try JSONDecodeOptions(read), fields: fields)
        case "csv": return try CSVRowDecoder(try CSVDialect(read), physical: physical, fields: fields)
        default: throw Formats.unknown(format)
        }
    }

    public func makeEncoder(
        format: String, part: String?, options: [String: String], schema: Schema, columns: [Int]
    ) throws(Diagnostic) -> any RowEncoder {
        let read = FormatOptions(format: format, part: part, options: options)
        switch format {
        case "json": return try JSONRowEncoder(try JSONEncodeOptions(read), schema: schema, columns: columns)
        case "csv": return try CSVRowEncoder(try CSVDialect(read), schema: schema, columns: columns)
        default: throw Formats.unknown(format)
        }
    }

    private static func unknown(_ format: String) -> Diagnostic {
        let known = descriptors.map(\.name)
        return Diagnostic("unknown format \"\(format)\"", hint: "Choose one of \(known.joined(separator: ", ")).")
    }
}
