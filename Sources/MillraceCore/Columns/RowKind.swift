/// What a row does to the result it belongs to: Flink's RowKind.
///
/// An update is two rows, the old one and directly behind it the new one; consumers that know the row by a key do without the
/// old one, and the planner then leaves it out.
public enum RowKind: UInt8, Hashable, Sendable, CaseIterable {
    case insert
    /// The row as it was; takes it back.
    case updateBefore
    case updateAfter
    case delete

    /// Takes an earlier row back.
    @inlinable public var isRetraction: Bool { self == .updateBefore || self == .delete }

    /// `+I`, `-U`, `+U`, `-D`.
    public var text: StaticString {
        switch self {
        case .insert: "+I"
        case .updateBefore: "-U"
        case .updateAfter: "+U"
        case .delete: "-D"
        }
    }
}
