import MillraceCore

/// The sets that GROUP BY stands for: the product of its elements, each of which is one set or several.
struct GroupingSets {
    enum Member: Hashable {
        /// Index among the keys.
        case key(Int)
        case window(WindowColumn.Part)
        case groupWindow
    }
    typealias Members = [Member]

    /// `CUBE` of more keys than this is surely a mistake: it makes 2^n sets.
    static let cubeKeysMax = 8
    static let ordinalName = "GROUPING$SET"

    private var sets: [Members] = [[]]
    /// For each set which keys it keeps; in the order in which they are numbered.
    private(set) var kept: [[Bool]] = []

    static func rollup(_ lists: [Members]) -> [Members] {
        (0...lists.count).reversed().map { lists[..<$0].flatMap { $0 } }
    }

    static func cube(_ lists: [Members]) -> [Members] {
        (0..<1 << lists.count).reversed().map { mask in
            lists.indices.filter { mask >> (lists.count - 1 - $0) & 1 == 1 }.flatMap { lists[$0] }
        }
    }

    mutating func combine(_ further: [Members]) {
        sets = sets.flatMap { set in further.map { set + $0 } }
    }

    mutating func finish(keys: Int) {
        kept = sets.map { set in (0..<keys).map { set.contains(.key($0)) } }
    }

    /// More than plain GROUP BY.
    var hasSets: Bool { sets.count > 1 || kept.contains { $0.contains(false) } }

    func isInEverySet(_ member: Member) -> Bool { sets.allSatisfy { $0.contains(member) } }
    func isOptional(_ key: Int) -> Bool { kept.contains { !$0[key] } }

    /// BIGINT with a bit for each of `keys`, the first one highest: 1 where the row's set leaves it out.
    func bits(of keys: [Int], ordinal: Expression) -> Expression {
        func value(_ set: [Bool]) -> Int64 { keys.reduce(0) { $0 << 1 | (set[$1] ? 0 : 1) } }
        func literal(_ value: Int64) -> Expression { .literal(.integer(value), .bigInt) }
        guard hasSets else { return literal(0) }
        let branches = kept.enumerated().dropLast().map { number, set in
            Expression.Branch(
                condition: .call(.equal, [ordinal, .literal(.integer(Int64(number)), .integer)], .boolean),
                result: literal(value(set)))
        }
        let last = literal(value(kept[kept.count - 1]))
        return branches.isEmpty ? last : .conditional(branches, otherwise: last, .bigInt)
    }
}
