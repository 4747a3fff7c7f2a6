/// XGBoost models in JSON, small enough to write in a test: `base` plus 0.125 where the only feature is below 0.5 or missing,
/// plus 0.375 where it is not. Whole numbers as `base` make each score tell its model.
public enum StumpModel {
    public static func json(base: Double) -> String {
        """
        {"learner":{"attributes":{},"feature_names":[],"feature_types":[],"gradient_booster":{"model":{\
        "gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"tree_info":[0],"trees":[{\
        "base_weights":[0,0,0],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],\
        "default_left":[1,0,0],"id":0,"left_children":[1,-1,-1],"right_children":[2,-1,-1],"parents":[2147483647,0,0],\
        "split_conditions":[0.5,0.125,0.375],"split_indices":[0,0,0],"split_type":[0,0,0],"sum_hessian":[2,1,1],\
        "loss_changes":[1,0,0],"tree_param":{"num_deleted":"0","num_feature":"1","num_nodes":"3","size_leaf_vector":"1"}\
        }]},"name":"gbtree"},"learner_model_param":{"base_score":"\(base)","num_class":"0","num_feature":"1",\
        "num_target":"1"},"objective":{"name":"reg:squarederror","reg_loss_param":{"scale_pos_weight":"1"}}},\
        "version":[2,1,0]}
        """
    }

    /// What `json(base:)` gives for a feature.
    public static func score(base: Double, _ feature: Double) -> Double { base + (feature < 0.5 ? 0.125 : 0.375) }
}
