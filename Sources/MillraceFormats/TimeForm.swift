import MillraceCore

/// How timestamps are written in a format: Flink's `timestamp-format.standard`.
enum TimeForm: String {
    /// `yyyy-MM-dd HH:mm:ss.f`, TIMESTAMP_LTZ with a trailing `Z`.
    case sql = "SQL"
    /// The same with `T`.
    case iso = "ISO-8601"
    /// TIMESTAMP_LTZ with `Z` or an offset.
    case isoWithOffset = "ISO-8601-WITH-OFFSET"
    /// CSV input: either separator, TIMESTAMP_LTZ with `Z` or an offset.
    case lenient = "lenient"

    static let names = ["SQL", "ISO-8601", "ISO-8601-WITH-OFFSET"]

    var separator: TimeText.Separator {
        switch self {
        case .sql: .blank
        case .iso, .isoWithOffset: .t
        case .lenient: .either
        }
    }
    var separatorByte: UInt8 { self == .sql || self == .lenient ? 0x20 : 0x54 }
    var zone: TimeText.Zone { self == .sql || self == .iso ? .z : .offset }
    /// Java's ISO formatter takes `HH:mm`.
    var requiresSeconds: Bool { self == .sql }
}
