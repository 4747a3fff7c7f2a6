/// Job B's events: sales in a state, to be joined with its region. The event of number `i` is always the same but for its time.
public struct Sales: Sendable {
    public static let variantCount = 4096
    /// The regions of the states: divisions of the U.S. Census Bureau.
    public static let divisions: [(region: String, states: [String])] = [
        ("New England", ["CT", "ME", "MA", "NH", "RI", "VT"]), ("Middle Atlantic", ["NJ", "NY", "PA"]),
        ("East North Central", ["IL", "IN", "MI", "OH", "WI"]),
        ("West North Central", ["IA", "KS", "MN", "MO", "NE", "ND", "SD"]),
        ("South Atlantic", ["DE", "FL", "GA", "MD", "NC", "SC", "VA", "WV"]),
        ("East South Central", ["AL", "KY", "MS", "TN"]), ("West South Central", ["AR", "LA", "OK", "TX"]),
        ("Mountain", ["AZ", "CO", "ID", "MT", "NV", "NM", "UT", "WY"]), ("Pacific", ["AK", "CA", "HI", "OR", "WA"]),
    ]
    public static var regions: [String] { divisions.map(\.region) }
    static let states: [(name: String, region: Int)] = divisions.enumerated().flatMap { index, division in
        division.states.map { ($0, index) }
    }

    /// `state,region` lines: the 50 rows to join with.
    public static var csv: String { divisions.map { d in d.states.map { "\($0),\(d.region)\n" }.joined() }.joined() }

    public struct Variant: Sendable {
        public var state: String
        /// Index into `regions`.
        public var region: Int
        public var cents: Int
        public var json: String { #","state":"\#(state)","amount":\#(fixed(cents, 2))}"# }
    }

    public let variants: [Variant]

    public init(seed: UInt64 = 13) {
        var random = SeededRandom(seed: seed)
        variants = (0..<Sales.variantCount).map { _ in
            let state = Sales.states[random.below(Sales.states.count)]
            return Variant(state: state.name, region: state.region, cents: random.below(100_000))
        }
    }
}
