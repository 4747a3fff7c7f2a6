/// The pipelines that `millrace demo` can show.
public enum DemoScenario: String, CaseIterable, Sendable {
    case fraud
    case babyWeight = "baby_weight"
    case salesByRegion = "sales_by_region"
    case flights

    /// Base name of the SQL file under `pipelines/`.
    var file: String { rawValue + ".sql" }

    public var summary: String {
        switch self {
        case .fraud: "card transactions scored from their account's history on arrival, alerts, five-second sums"
        case .babyWeight: "birth records scored by gradient-boosted trees, five-second means per sex"
        case .salesByRegion: "the Dataflow SQL query: sales joined with regions, five-second sums"
        case .flights: "New York departures of 2013, a day in a minute: delays per carrier, arrival delays predicted"
        }
    }

    /// What one sees, in a few lines of up to 79 characters.
    var introduction: [String] {
        switch self {
        case .fraud:
            [
                "Card payments, made up, come in through Kafka. Each is scored when it arrives,",
                "by a model in this process, from what its account did in the last ten minutes,",
                "hour, day and week. 0.5 and more is an alert. All in SQL: pipelines/\(file)",
            ]
        case .babyWeight:
            [
                "Birth records, made up, come in through Kafka. A model in this process predicts",
                "the weight of each when it arrives. All in SQL: pipelines/\(file)",
            ]
        case .salesByRegion:
            [
                "Sales, made up, come in through Kafka and are joined with a table of regions:",
                "the demo query of Dataflow SQL, word for word: pipelines/\(file)",
            ]
        case .flights:
            [
                "Departures from New York in January 2013 in the order they left, a day in a minute;",
                "a model in this process predicts the delay at the arrival. pipelines/\(file)",
            ]
        }
    }

    /// What the events are called.
    var events: String {
        switch self {
        case .fraud: "payments/s"
        case .babyWeight: "births/s"
        case .salesByRegion: "sales/s"
        case .flights: "flights/s"
        }
    }

    /// A table on the screen.
    struct Panel {
        struct Column {
            var name: String
            /// At least.
            var width: Int
            var isNumber = false
        }
        var title: String
        var columns: [Column]
        /// At most so many rows come from the query.
        var rows: Int
        var query: String

        init(_ title: String, rows: Int, columns: [Column], query: String) {
            self.title = title
            self.rows = rows
            self.columns = columns
            self.query = query + " LIMIT \(rows)"
        }
    }

    private static func text(_ name: String, _ width: Int) -> Panel.Column { Panel.Column(name: name, width: width) }
    private static func number(_ name: String, _ width: Int) -> Panel.Column {
        Panel.Column(name: name, width: max(width, name.count), isNumber: true)
    }

    /// Only the newest pages of a table that is only appended to: the screen takes the same time however long it runs.
    private static func newest(_ table: String) -> String {
        """
        \(table) WHERE ctid >= \
        (SELECT format('(%s,0)', greatest(0, pg_relation_size('\(table)') / 8192 - 16))::tid)
        """
    }

    /// What the screen shows from the database.
    var panels: [Panel] {
        switch self {
        case .fraud:
            [
                Panel(
                    "newest alerts, and what they stand out by", rows: 8,
                    columns: [
                        Self.text("time", 8), Self.text("account", 11), Self.text("country", 7),
                        Self.text("category", 13), Self.number("amount", 8), Self.number("7-d avg", 7),
                        Self.number("in 10 min", 9), Self.number("score", 5),
                    ],
                    query: """
                        SELECT to_char(event_time, 'HH24:MI:SS'), account, country, merchant_category, \
                        to_char(amount, 'FM999990.00'), coalesce(to_char(amount / amount_ratio_7d, 'FM999990.00'), '-'), \
                        tx_count_10m, to_char(probability, 'FM0.000') \
                        FROM \(Self.newest("fraud_alerts")) ORDER BY event_time DESC
                        """),
                Panel(
                    "newest payments: every one has a score", rows: 5,
                    columns: [
                        Self.text("time", 8), Self.text("account", 11), Self.text("country", 7),
                        Self.text("category", 13), Self.number("amount", 8), Self.number("in 24 h", 6),
                        Self.number("in 10 min", 9), Self.number("score", 5),
                    ],
                    query: """
                        SELECT to_char(event_time, 'HH24:MI:SS'), account, country, merchant_category, \
                        to_char(amount, 'FM999990.00'), tx_count_24h, tx_count_10m, to_char(probability, 'FM0.000') \
                        FROM \(Self.newest("fraud_scores")) ORDER BY event_time DESC
                        """),
                Panel(
                    "five-second windows, written when their time is over", rows: 7,
                    columns: [
                        Self.text("start", 8), Self.text("country", 7), Self.number("payments", 8),
                        Self.number("volume", 11), Self.number("alerts", 6), Self.number("mean score", 10),
                    ],
                    query: """
                        SELECT to_char(period_start, 'HH24:MI:SS'), country, transactions, \
                        to_char(volume, 'FM99999990.00'), alerts, to_char(mean_probability, 'FM0.0000') \
                        FROM \(Self.newest("fraud_by_country")) ORDER BY period_start DESC, volume DESC
                        """),
            ]
        case .babyWeight:
            [
                Panel(
                    "newest predictions", rows: 6,
                    columns: [
                        Self.number("birth", 9), Self.text("born", 12), Self.number("pounds", 6),
                        Self.text("model", 12),
                        Self.number("partition", 9), Self.number("offset", 8),
                    ],
                    query: """
                        SELECT birth_id, to_char(event_time, 'HH24:MI:SS.MS'), round(weight_pounds::numeric, 2), \
                        model_version, kafka_partition, kafka_offset \
                        FROM \(Self.newest("birth_predictions")) ORDER BY birth_id DESC
                        """),
                Panel(
                    "five-second windows", rows: 6,
                    columns: [
                        Self.text("start", 8), Self.text("sex", 6), Self.number("births", 7),
                        Self.number("mean pounds", 11),
                    ],
                    query: """
                        SELECT to_char(period_start, 'HH24:MI:SS'), CASE WHEN is_male THEN 'male' ELSE 'female' END, \
                        births, round(mean_weight_pounds::numeric, 3) \
                        FROM weight_by_sex ORDER BY period_start DESC, is_male
                        """),
            ]
        case .salesByRegion:
            [
                Panel(
                    "newest windows", rows: 18,
                    columns: [Self.text("start", 8), Self.text("region", 14), Self.number("amount", 13)],
                    query: """
                        SELECT to_char(period_start, 'HH24:MI:SS'), sales_region, amount \
                        FROM sales_by_region ORDER BY period_start DESC, amount DESC
                        """)
            ]
        case .flights:
            [
                Panel(
                    "newest departures (UTC): minutes late, and predicted at the arrival", rows: 8,
                    columns: [
                        Self.text("scheduled", 11), Self.text("flight", 7), Self.text("airline", 24),
                        Self.text("from", 4),
                        Self.text("to", 3), Self.number("wind mph", 8), Self.number("departure", 9),
                        Self.number("arrival", 7),
                    ],
                    query: """
                        SELECT to_char(sched_dep, 'DD Mon HH24:MI'), flight, carrier_name, origin, dest, \
                        round(wind_speed::numeric), dep_delay, round(predicted_arr_delay::numeric) \
                        FROM \(Self.newest("flight_predictions")) \
                        ORDER BY sched_dep + dep_delay * INTERVAL '1 minute' DESC, flight_id
                        """),
                Panel(
                    "newest complete hours (UTC), the busiest first", rows: 8,
                    columns: [
                        Self.text("hour", 12), Self.text("airline", 24), Self.text("from", 4),
                        Self.number("departures", 10), Self.number("cancelled", 9), Self.number("mean delay", 10),
                        Self.number("longest", 7),
                    ],
                    query: """
                        SELECT to_char(period_start, 'DD Mon HH24:MI'), carrier_name, origin, departures, cancelled, \
                        round(mean_dep_delay::numeric, 1), max_dep_delay \
                        FROM delays_hourly ORDER BY period_start DESC, departures DESC, carrier_name
                        """),
            ]
        }
    }
}
