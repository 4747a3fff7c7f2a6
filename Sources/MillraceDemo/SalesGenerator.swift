internal import MillraceCore

/// Sales in the 50 states, more in the populous ones.
struct SalesGenerator: EventGenerator {
    let topic = "transactions"
    private var random = RandomStream(seed: 2019)
    private static let states = Array(
        "CACACATXTXFLFLNYNYPAILOHGANCMINJVAWAAZMATNINMOMDWICOMNSCALLAKYOROKCTUTIANVARMSKSNMNEIDWVHINHMEMTRIDESDNDAKDCVTWY"
    ).map(String.init)
    private static let people = [
        "Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Alan", "Radia", "Ken", "Margaret",
    ]
    private static let cities = ["Springfield", "Franklin", "Clinton", "Greenville", "Bristol", "Fairview", "Salem"]
    private static let products = ["Product 1", "Product 2", "Product 3", "Product 4", "Product 5"]

    mutating func next(nowMilliseconds now: Int64) -> Event? {
        if random.chance(0.0002) {
            return Event(key: nil, value: Array("{\"amount\": 12.".utf8), timestampMilliseconds: now)
        }
        // One sale in a thousand was held up on its way, some of them longer than the watermark waits.
        let time = random.chance(0.001) ? now - Int64(random.below(15_000)) : now
        let pair = random.below(SalesGenerator.states.count / 2) * 2
        let state = SalesGenerator.states[pair] + SalesGenerator.states[pair + 1]
        let cents = Int(max(99, random.normal(mean: 4_500, deviation: 2_200)))
        let text = """
            {"tr_time_str":"\(DemoTime.text(time))","first_name":"\(random.element(SalesGenerator.people))",\
            "last_name":"\(random.element(SalesGenerator.people))","city":"\(random.element(SalesGenerator.cities))",\
            "state":"\(state)","product":"\(random.element(SalesGenerator.products))",\
            "amount":\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)}
            """
        return Event(key: Array(state.utf8), value: Array(text.utf8), timestampMilliseconds: time)
    }
}
