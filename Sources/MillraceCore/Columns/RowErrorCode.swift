/// Why a cell has no value, or a row went to the dead-letter table.
///
/// Cell states are one byte a row: 0 = NULL, 1 = valid, 2 and above = an error with this raw value. An error is a poison:
/// strict functions pass it on, `CASE`, `COALESCE`, `AND`/`OR` look only at the branch they take, `TRY_CAST` turns it into
/// NULL. So `CASE WHEN b <> 0 THEN a / b END` never fails, although every kernel computes whole columns. A row whose
/// needed cell is an error when it leaves a projection or filter is a row error and goes to the dead-letter table.
public enum RowErrorCode: UInt8, Sendable, CaseIterable {
    case divisionByZero = 2
    case castFailed = 3
    case numericOverflow = 4
    case nullEventTime = 5
    case invalidArgument = 6
    case modelError = 7
    case modelNotANumber = 8
    case undecodable = 9
    case lateRow = 10
    case notNullViolation = 11
    case rejectedBySink = 12
    case lookupFailed = 13
    case limitExceeded = 14
    case deadlineExceeded = 15

    /// The reason as it stands in `millrace.dead_letter.reason`.
    public var reason: String {
        switch self {
        case .divisionByZero: "division by zero"
        case .castFailed: "cast failed"
        case .numericOverflow: "numeric overflow"
        case .nullEventTime: "event time is null"
        case .invalidArgument: "invalid argument"
        case .modelError: "model error"
        case .modelNotANumber: "model returned NaN"
        case .undecodable: "undecodable message"
        case .lateRow: "late row"
        case .notNullViolation: "null in a NOT NULL column"
        case .rejectedBySink: "rejected by the sink"
        case .lookupFailed: "lookup failed"
        case .limitExceeded: "limit exceeded"
        case .deadlineExceeded: "deadline exceeded"
        }
    }
}

/// The states of a cell; see `RowErrorCode`.
public enum CellState {
    public static let null: UInt8 = 0
    public static let valid: UInt8 = 1

    /// State of a strict function's result: an error wins over NULL, NULL over valid.
    @inlinable @inline(__always)
    public static func combine(_ a: UInt8, _ b: UInt8) -> UInt8 {
        if a & b == 1 && a | b == 1 { return 1 }
        if a > 1 { return a }
        if b > 1 { return b }
        return 0
    }
}
